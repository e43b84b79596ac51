//! Tars that other programs read and that look odd: files with holes, sums of signed bytes.

use artcheck_inspect::container::FileType;

use crate::source::{folder, object, python, run, visit};

/// The forms that GNU tar writes; Python's test suite has a file with all of them.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn files_with_holes_are_put_together() {
    let at = folder("holes");
    let object = object(&at, "a.so");
    python(
        "
        for pieces in (0, 3, 5, 26, 60):
            with open(f'h{pieces}.so', 'wb') as f:
                f.write(open('a.so', 'rb').read())
                for i in range(pieces):
                    f.seek((i + 1) * 40960)
                    f.write(b'x' * 4096)
                f.truncate((pieces + 3) * 40960)
        ",
        &at,
    );
    let forms = [
        "--format=gnu",
        "--sparse-version=0.0",
        "--sparse-version=0.1",
        "--sparse-version=1.0",
    ];
    let names = ["h0.so", "h3.so", "h5.so", "h26.so", "h60.so", "a.so"];
    for (number, form) in forms.iter().enumerate() {
        for (packed, end) in [("-cSf", "tar"), ("-czSf", "tar.gz")] {
            let archive = format!("{number}.{end}");
            let mut args = vec![packed, archive.as_str(), form];
            if number > 0 {
                args.push("--format=posix");
            }
            args.extend(names);
            run("tar", &args, &at);
            let size = std::fs::metadata(at.join(&archive)).expect("there").len();
            assert!(size < 1 << 20, "{form} left the holes in");
            let (files, problems) = visit(&at.join(&archive));
            assert!(problems.is_empty(), "{form} {problems:?}");
            for name in names {
                let whole = std::fs::read(at.join(name)).expect("there");
                assert!(whole.starts_with(&object));
                let (kind, bytes) = &files[&format!("{archive}!{name}")];
                assert_eq!(*kind, FileType::Elf, "{form} {name}");
                assert!(*bytes == whole, "{form} {name}");
            }
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_sum_of_signed_bytes_is_one_too() {
    let at = folder("signed");
    object(&at, "a.so");
    python(
        "
        import tarfile
        with tarfile.open('s.tar', 'w', format=tarfile.USTAR_FORMAT, encoding='latin-1') as t:
            t.add('a.so', 'b.so')
            t.add('a.so', '\\xe4\\xf6.so')
        data = bytearray(open('s.tar', 'rb').read())
        at = data.index(b'\\xe4\\xf6.so')
        head = data[at:at + 512]
        head[148:156] = b' ' * 8
        signed = sum(head) - 256 * sum(byte > 127 for byte in head)
        data[at + 148:at + 156] = b'%06o\\0 ' % signed
        open('s.tar', 'wb').write(data)
        assert len(tarfile.open('s.tar', encoding='latin-1').getnames()) == 2
        ",
        &at,
    );
    let (files, problems) = visit(&at.join("s.tar"));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(files.len(), 3, "{:?}", files.keys());
}
