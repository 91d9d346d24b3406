// What is done in one window and seen in another.

import { after, before, test } from 'node:test';
import { KEY, Server, assert, launch, open, signIn, streamOf } from './harness.mjs';

let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('a token that is revoked on the page of the clients ends the other window within two seconds, which keeps what was typed', async () => {
  const made = await server.call('POST', '/admin/tokens', { name: 'kitchen' });
  const owner = await open(browser, server);
  const guest = await open(browser, server);
  await signIn(owner.page, server);
  await owner.page.goto(`${server.url}/ui/clients`);
  await signIn(guest.page, server, made.token);
  const stream = streamOf(guest.page);
  await guest.page.goto(`${server.url}/ui/new`);
  await stream;
  await guest.page.fill('#content', 'hours of work\nin two lines');

  await owner.page.click('[aria-label="Revoke kitchen"]');
  await guest.page.waitForSelector('#live:has-text("signed out")', { timeout: 2_000 });
  assert.match(await owner.page.textContent('main'), /revoked/);

  const refused = guest.page.waitForResponse((answer) => answer.request().method() === 'POST');
  await guest.page.click('button.main');
  assert.equal((await refused).status(), 401);
  assert.equal(await guest.page.inputValue('#kept'), 'hours of work\nin two lines');
  assert.equal((await server.call('GET', '/api/v1/memories')).total, 0);
  await owner.context.close();
  await guest.context.close();
});

test('who signs out in one window is told so in the other, and is back there after signing in', async () => {
  const { context, page } = await open(browser, server);
  await signIn(page, server);
  const other = await context.newPage();
  const stream = streamOf(other);
  await other.goto(`${server.url}/ui/tags`);
  await stream;

  await page.click('text=Sign out');

  await other.waitForSelector('#live:has-text("signed out")', { timeout: 2_000 });
  await other.click('text=Sign in again');
  await signInHere(other);
  assert.equal(other.url(), `${server.url}/ui/tags`);
  await context.close();
});

test('a server that starts anew signs everybody out, and an open page says so and keeps what was typed', async () => {
  const own = await Server.start();
  try {
    const { context, page } = await open(browser, own);
    await signIn(page, own);
    const stream = streamOf(page);
    await page.goto(`${own.url}/ui/new`);
    await stream;
    await page.fill('#content', 'typed before the restart');

    await own.restart();

    await page.waitForSelector('#live:has-text("signed out")', { timeout: 30_000 });
    assert.equal(await page.inputValue('#content'), 'typed before the restart');
    await context.close();
  } finally {
    await own.stop();
  }
});

async function signInHere(page) {
  await page.fill('#credential', KEY);
  await page.click('#login button');
  await page.waitForURL((url) => !url.pathname.endsWith('/login'));
}

test('every page of one window has a stream, however fast they follow, over HTTP/2 as well', async () => {
  const encrypted = await Server.encrypted();
  try {
    for (const [its, protocol] of [[server, 'http/1.1'], [encrypted, 'h2']]) {
      const { context, page } = await open(browser, its, { ignoreHTTPSErrors: true });
      await signIn(page, its);
      // More pages than a browser may have streams, all before the next word that keeps one alive.
      for (let n = 0; n < 8; n += 1) {
        const stream = streamOf(page);
        await page.goto(`${its.url}/ui/help`);
        assert.equal((await stream).status(), 200, `page ${n} over ${protocol}`);
      }
      const spoken = await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
      assert.equal(spoken, protocol);
      await context.close();
    }
  } finally {
    await encrypted.stop();
  }
});

test('what a client stores is told in every window, those without a stream of their own as well', async () => {
  const { context, page } = await open(browser, server);
  const streams = [streamOf(page)];
  await signIn(page, server);
  const windows = [page];
  // A browser has four streams; the windows beyond hear it from the others.
  while (windows.length < 6) {
    const window = await context.newPage();
    streams.push(streamOf(window));
    await window.goto(`${server.url}/ui/help`);
    await streams.at(-1);
    windows.push(window);
  }
  const statuses = (await Promise.all(streams)).map((stream) => stream.status());
  assert.deepEqual(statuses, [200, 200, 200, 200, 204, 204]);

  await server.add('something new');

  for (const window of windows) await window.waitForSelector('#live:has-text("1 new")');
  await context.close();
});
