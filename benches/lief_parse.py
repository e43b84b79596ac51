"""Parses every file given with LIEF, in as many processes as asked for.

lief_parse.py JOBS FILE...
"""

import os
import sys
from multiprocessing import Pool

import lief


def parse(path):
    binary = lief.parse(path)
    return 0 if binary is None else 1


if __name__ == "__main__":
    lief.logging.disable()
    files = sorted(sys.argv[2:], key=os.path.getsize, reverse=True)
    with Pool(int(sys.argv[1])) as pool:
        print(sum(pool.imap_unordered(parse, files)), "parsed")
