// Every page in light and dark, wide and narrow: nothing that axe finds, no way sideways, nothing from elsewhere.

import path from 'node:path';
import { after, before, test } from 'node:test';
import { PAGES, SHOTS, Server, assert, axe, furnish, launch, open, sideways, signIn, small } from './harness.mjs';

let server;
let browser;
let pages;
before(async () => {
  server = await Server.start();
  browser = await launch();
  const id = await furnish(server);
  pages = [...PAGES, `/ui/memories/${id}`, `/ui/memories/${id}?view=formatted`, `/ui/memories/${id}/edit`, '/ui/no-such-page'];
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

// What is read does not depend on the last few pixels, but whether it fits does.
const NARROWEST = 320;

for (const scheme of ['light', 'dark']) {
  for (const width of scheme === 'light' ? [1280, 360, NARROWEST] : [1280, 360]) {
    test(`pages in ${scheme} at ${width}`, async () => {
      const { context, page } = await open(browser, server, { viewport: { width, height: 800 }, colorScheme: scheme });
      await page.goto(`${server.url}/ui/login`);
      assert.deepEqual(await axe(page), [], 'the sign-in');
      await signIn(page, server);
      for (const place of pages) {
        const answer = await page.goto(server.url + place);
        assert.ok((await answer.body()).length < 200 * 1024, `${place} is too large`);
        assert.equal(await page.locator('h1').count(), 1, place);
        if (width !== NARROWEST) assert.deepEqual(await axe(page), [], place);
        const beyond = await sideways(page);
        assert.ok(beyond <= 0, `${place} goes ${beyond} pixels beyond ${width}`);
        if (width === 360) assert.deepEqual(await small(page), [], place);
        if (width === NARROWEST) continue;
        const name = `${place.replace(/[^a-z]+/gi, '-').replace(/^-|-$/g, '') || 'overview'}-${scheme}-${width}.png`;
        await page.screenshot({ path: path.join(SHOTS, name), fullPage: true });
      }
      await context.close();
    });
  }
}
