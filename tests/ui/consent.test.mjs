// The question of OAuth in a real browser: it reads well, and its answer leaves the page, which a policy for forms can
// silently prevent.

import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { KEY, SHOTS, Server, assert, axe, launch, open, sideways, signIn } from './harness.mjs';

// The example of RFC 7636.
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
const CURSOR = 'cursor://anysphere.cursor-mcp/oauth/callback';

let server;
let browser;
let client;
let listener;
let back;
before(async () => {
  // The name has to be known before the server has a port.
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  server = await Server.start({ PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}`, OAUTH_ENABLED: 'true' });
  listener = http.createServer((request, answer) => answer.end('<!doctype html><title>back</title>')).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  back = `http://127.0.0.1:${listener.address().port}/callback`;
  const answer = await fetch(`${server.url}/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ client_name: 'An editor', redirect_uris: [back, CURSOR] }),
  });
  client = (await answer.json()).client_id;
  browser = await launch();
  fs.mkdirSync(SHOTS, { recursive: true });
});
after(async () => {
  await browser?.close();
  listener?.close();
  await server?.stop();
});

function question(redirect) {
  const query = new URLSearchParams({
    response_type: 'code', client_id: client, redirect_uri: redirect, code_challenge: CHALLENGE, code_challenge_method: 'S256',
    state: 'a/b c',
  });
  return `${server.url}/authorize?${query}`;
}

for (const scheme of ['light', 'dark']) {
  for (const width of [1280, 360]) {
    test(`the question in ${scheme} at ${width}`, async () => {
      const { context, page, faults } = await open(browser, server, { viewport: { width, height: 800 }, colorScheme: scheme });
      await signIn(page, server);
      await page.goto(question(back));
      assert.match(await page.textContent('h2'), /127\.0\.0\.1/);
      assert.deepEqual(await axe(page), []);
      const beyond = await sideways(page);
      assert.ok(beyond <= 0, `it goes ${beyond} pixels beyond ${width}`);
      await page.screenshot({ path: path.join(SHOTS, `consent-${scheme}-${width}.png`), fullPage: true });
      assert.deepEqual(faults, []);
      await context.close();
    });
  }
}

for (const javaScriptEnabled of [true, false]) {
  test(`who is not signed in comes back to the question, and its answer leaves the page (script: ${javaScriptEnabled})`, async () => {
    const context = await browser.newContext({ javaScriptEnabled });
    const page = await context.newPage();
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
  const { context, page, faults } = await open(browser, server);
  await signIn(page, server);
  await page.goto(question(CURSOR));
  assert.match(await page.textContent('h2'), /cursor:\/\/anysphere\.cursor-mcp/);
  const answered = page.waitForResponse((response) => response.request().method() === 'POST' && response.status() === 303);
  await page.click('text=Allow', { noWaitAfter: true });
  const where = (await answered).headers().location;
  assert.ok(where.startsWith(`${CURSOR}?code=mac_`), where);
  // No application of this name is here, so that nothing follows; the policy would have said so on the console.
  assert.deepEqual(faults.filter((fault) => !fault.startsWith('a request to cursor:')), []);
  await context.close();
});
