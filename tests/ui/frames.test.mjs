// What a page of another origin can do with ours: put none of them into a frame, hold none of them as a window; and yet a
// client that opens a window for its sign-in hears how that ended.

import { after, before, test } from 'node:test';
import { KEY, PAGES, Server, assert, furnish, launch, open, signIn, site } from './harness.mjs';

/** Opens a window, as claude.ai does for a sign-in, and shows what is told to it. */
const opener = (url) => `<!doctype html><title>client</title><button>Connect</button><output></output><script>
  addEventListener('message', (message) => { document.querySelector('output').textContent = message.origin + ' ' + message.data; });
  document.querySelector('button').onclick = () => { window.other = open(${JSON.stringify(url)}, 'sign-in', 'width=600,height=700'); };
</script>`;
/** Where such a client has its answer. */
const CALLBACK = `<!doctype html><title>back</title><script>
  opener.postMessage(location.search, '*');
  close();
</script>`;

let server;
let browser;
let id;
const pages = {};
let elsewhere;
before(async () => {
  server = await Server.outside();
  browser = await launch();
  elsewhere = await site(pages);
  id = await furnish(server);
});
after(async () => {
  await browser?.close();
  elsewhere?.listener.close();
  await server?.stop();
});

/** A client that lives under another name of this machine, and its question. */
async function client(name) {
  const origin = `http://localhost:${elsewhere.port}`;
  const redirect = `${origin}/callback`;
  return { origin, question: server.question(await server.register(name, [redirect]), redirect) };
}

test('no page shows itself in a frame of another origin', async () => {
  // Another port is another origin, and yet cookies go along: nothing but the headers stands in between.
  const origin = `http://127.0.0.1:${elsewhere.port}`;
  const { context, page } = await open(browser, server);
  await signIn(page, server);
  const { question } = await client('A frame');
  await page.goto(question);
  const consent = new URL(page.url()).pathname;
  assert.match(consent, /^\/authorize\/pending\//);
  const places = [
    ...PAGES, `/ui/memories/${id}`, `/ui/memories/${id}/edit`, '/ui/no-such-page', '/ui/login', consent, '/authorize?client_id=x', '/',
  ];
  const framed = (kind, source) => `<${kind} ${kind === 'object' ? 'data' : 'src'}="${source}"></${kind}>`;
  const inFrames = places.map((place) => framed('iframe', server.url + place.replaceAll('&', '&amp;')));
  const others = ['object', 'embed'].map((kind) => framed(kind, server.url + consent));
  pages['/frames'] = `<!doctype html><title>trap</title>${framed('iframe', '/inner')}${inFrames.join('')}${others.join('')}`;
  pages['/inner'] = '<!doctype html><title>inner</title>';
  // The page of the attacker is none of those that must not say anything on the console.
  const trap = await browser.newContext({ storageState: await context.storageState() });
  const attacker = await trap.newPage();
  const answered = new Map();
  attacker.on('response', (answer) => answered.set(answer.url(), answer));

  await attacker.goto(`${origin}/frames`, { waitUntil: 'load' });

  const shown = attacker.frames().slice(1).map((frame) => frame.url());
  assert.equal(shown.filter((url) => url === `${origin}/inner`).length, 1, 'a frame can be shown at all');
  assert.deepEqual(shown.filter((url) => url.startsWith(server.url)), []);
  for (const place of places.filter((one) => one !== '/')) {
    const headers = answered.get(server.url + place)?.headers();
    assert.ok(headers, `${place} was not asked for`);
    assert.equal(headers['x-frame-options'], 'DENY', place);
    assert.match(headers['content-security-policy'], /frame-ancestors 'none'/, place);
  }
  assert.equal(answered.get(server.url + consent).status(), 200, 'it was the question itself');
  await trap.close();
  await context.close();
});

for (const [answer, told] of [['Allow', /code=mac_/], ['Deny', /error=access_denied/]]) {
  test(`a window that the page of a client opened for the sign-in tells it the answer (${answer})`, async () => {
    const { origin, question } = await client('A site');
    pages['/'] = opener(question);
    pages['/callback'] = CALLBACK;
    const { context, page } = await open(browser, server, { foreign: [`${origin}/`] });
    await page.goto(`${origin}/`);
    const [popup] = await Promise.all([context.waitForEvent('page'), page.click('button')]);

    await popup.fill('#credential', KEY);
    await popup.click('#login button');
    await popup.waitForURL(/\/authorize\/pending\//);
    assert.equal(await page.evaluate(() => window.other.closed), false, 'the client still has its window');
    await assert.rejects(page.evaluate(() => window.other.document.title), /cross-origin/);
    const gone = popup.waitForEvent('close');
    await popup.click(`text=${answer}`, { noWaitAfter: true });
    await gone;

    await page.waitForSelector('output:not(:empty)');
    const heard = await page.textContent('output');
    assert.ok(heard.startsWith(origin), heard);
    assert.match(heard, told);
    assert.match(heard, /state=a%2Fb%20c/);
    await context.close();
  });
}

test('a page of ours that another site opened is no window of that site', async () => {
  const origin = `http://localhost:${elsewhere.port}`;
  pages['/'] = opener(`${server.url}/ui/memories`);
  const { context, page } = await open(browser, server, { foreign: [`${origin}/`] });
  await signIn(page, server);
  await page.goto(`${origin}/`);

  const [popup] = await Promise.all([context.waitForEvent('page'), page.click('button')]);
  await popup.waitForSelector('h1');

  assert.equal(popup.url(), `${server.url}/ui/memories`, 'who is signed in is there at once');
  assert.equal(await popup.evaluate(() => window.opener), null);
  assert.equal(await page.evaluate(() => window.other.closed), true);
  await context.close();
});
