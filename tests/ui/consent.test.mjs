// The question of OAuth in a real browser: it reads well, and its answer leaves the page, which a policy for forms can
// silently prevent.

import path from 'node:path';
import { after, before, test } from 'node:test';
import { KEY, SHOTS, Server, assert, axe, launch, open, sideways, signIn, site } from './harness.mjs';

const CURSOR = 'cursor://anysphere.cursor-mcp/oauth/callback';

let server;
let browser;
let client;
let elsewhere;
let back;
before(async () => {
  server = await Server.outside();
  elsewhere = await site({ '/callback': '<!doctype html><title>back</title>' });
  back = `http://127.0.0.1:${elsewhere.port}/callback`;
  client = await server.register('An editor', [back, CURSOR]);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  elsewhere?.listener.close();
  await server?.stop();
});

const question = (redirect) => server.question(client, redirect);

for (const scheme of ['light', 'dark']) {
  for (const width of [1280, 360]) {
    test(`the question in ${scheme} at ${width}`, async () => {
      const { context, page } = await open(browser, server, { viewport: { width, height: 800 }, colorScheme: scheme });
      await signIn(page, server);
      await page.goto(question(back));
      assert.match(await page.textContent('h2.address'), /127\.0\.0\.1/);
      const size = await page.locator('h2.address').evaluate((host) => parseFloat(getComputedStyle(host).fontSize));
      const others = await page.locator('h1, p, label, legend').evaluateAll((all) => all.map((one) => parseFloat(getComputedStyle(one).fontSize)));
      assert.ok(size > Math.max(...others), 'who gets the answer is larger than all else');
      assert.deepEqual(await axe(page), []);
      const beyond = await sideways(page);
      assert.ok(beyond <= 0, `it goes ${beyond} pixels beyond ${width}`);
      await page.screenshot({ path: path.join(SHOTS, `consent-${scheme}-${width}.png`), fullPage: true });
      await context.close();
    });
  }
}

for (const javaScriptEnabled of [true, false]) {
  test(`who is not signed in comes back to the question, and its answer leaves the page (script: ${javaScriptEnabled})`, async () => {
    const { context, page } = await open(browser, server, { javaScriptEnabled, foreign: [back] });
    await page.goto(question(back));
    assert.match(page.url(), /\/ui\/login\?next=/);
    await page.fill('#credential', KEY);
    await page.click('#login button');
    await page.waitForURL(/\/authorize\/pending\//);
    await page.click('text=Allow');
    await page.waitForURL((url) => url.href.startsWith(back));
    const answer = new URL(page.url()).searchParams;
    assert.match(answer.get('code'), /^mac_/);
    assert.deepEqual([answer.get('state'), answer.get('iss')], ['a/b c', server.url]);
    await page.goto(question(back));
    await page.click('text=Deny');
    await page.waitForURL((url) => url.href.startsWith(back));
    assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
    await context.close();
  });
}

test('a policy for forms lets an application have its answer', async () => {
  const { context, page } = await open(browser, server, { foreign: ['cursor:'] });
  await signIn(page, server);
  await page.goto(question(CURSOR));
  assert.match(await page.textContent('h2'), /cursor:\/\/anysphere\.cursor-mcp/);
  const answered = page.waitForResponse((response) => response.request().method() === 'POST' && response.status() === 303);
  await page.click('text=Allow', { noWaitAfter: true });
  const where = (await answered).headers().location;
  assert.ok(where.startsWith(`${CURSOR}?code=mac_`), where);
  // No application of this name is here, so that nothing follows; the policy would have said so.
  await context.close();
});
