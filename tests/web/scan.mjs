// What the page says of a folder, as JSON: node tests/web/scan.mjs FOLDER

import { browsers, dist, inPage, opened, puppeteer, served } from "./browser.mjs";

const site = served(dist);
const browser = await puppeteer.launch(browsers.chromium);
try {
  const { page } = await opened(browser, site.at());
  const { json } = await inPage.give(page, [process.argv[2]], "#folder");
  process.stdout.write(json);
} finally {
  await browser.close();
  site.server.close();
}
