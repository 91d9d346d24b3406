// Who may only read: no page offers to change anything, and no form that is sent all the same does.

import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { PAGES, Server, assert, furnish, launch, open, signIn } from './harness.mjs';

// What concerns nobody but this browser.
const OWN = ['/ui/login', '/ui/logout', '/ui/confirm', '/ui/theme', '/ui/users/back'];
const ROWS = path.join(import.meta.dirname, '../../src/http/ui_rows.rs');

let server;
let browser;
let id;
let reader;
before(async () => {
  server = await Server.start();
  browser = await launch();
  id = await furnish(server);
  await server.call('POST', '/admin/tokens', { name: 'guest', guest: true, scopes: ['read', 'write'] });
  reader = (await server.call('POST', '/admin/tokens', { name: 'reader', scopes: ['read'] })).token;
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Every row that changes something, from the table of the routes, so that a new one is tried as well. */
function changing() {
  const found = [...fs.readFileSync(ROWS, 'utf8').matchAll(/post\("([^"]+)"\)/g)].map((match) => match[1]);
  assert.ok(found.length >= 18, `${found.length} rows`);
  return found.filter((place) => !OWN.includes(place)).map((place) => place.replace('{id}', id));
}

/** What of a page sends a form that changes something, or leads to one. */
const offers = (page) => page.evaluate((own) => {
  const path = (url) => new URL(url, location.href).pathname;
  const buttons = [...document.querySelectorAll('form[method=post] button, form[method=post] input[type=submit]')];
  const sending = buttons.filter((button) => !own.includes(path(button.form.action)));
  const leading = [...document.querySelectorAll('a[href]')].filter((a) => /\/(new|edit)$/.test(path(a.href)));
  return [...sending, ...leading].map((one) => one.textContent.trim());
}, OWN);

test('who may only read is offered nothing that changes anything, and can change nothing', async () => {
  const trashed = (await server.call('GET', '/api/v1/memories?status=deleted')).memories[0].id;
  const places = PAGES.filter((place) => place !== '/ui/new');
  places.push(`/ui/memories/${id}`, `/ui/memories/${trashed}`);
  const { context, page } = await open(browser, server);
  await signIn(page, server, reader);
  const tokens = new Set(['']);
  const offered = {};

  for (const place of [...places, '/ui/new', `/ui/memories/${id}/edit`]) {
    await page.goto(server.url + place);
    for (const token of await page.locator('input[name=csrf]').evaluateAll((all) => all.map((one) => one.value))) tokens.add(token);
    const found = places.includes(place) ? await offers(page) : [];
    if (found.length) offered[place] = found;
  }
  assert.deepEqual(offered, {});

  assert.ok(tokens.size > 2, 'forms of several purposes');
  const state = async () => JSON.stringify([
    await server.call('GET', '/admin/tokens'), (await server.call('GET', `/api/v1/memories/${id}`)).memory.version,
    (await server.call('GET', '/api/v1/memories')).total, (await server.call('GET', '/api/v1/memories?status=deleted')).total,
    (await server.call('GET', '/admin/backup')),
  ]).replaceAll(/"last_used_at":[^,}]*/g, '');
  const before = await state();
  const forms = {
    action: 'trash', ids: id, one: `trash:${id}`, id, content: 'mine', version: '1', typed: id, what: 'tag', from: 'home', to: 'house',
    sure: 'true', name: 'more', scopes: 'admin', token: 'mem_', change: 'revoke', grant: 'mgr_', credential: 'default', step: '1', confirm: 'true',
  };
  for (const place of changing()) {
    for (const csrf of tokens) {
      const answer = await page.request.post(server.url + place, {
        form: { ...forms, csrf }, headers: { 'Sec-Fetch-Site': 'same-origin' }, maxRedirects: 0,
      });
      assert.equal(answer.status(), 403, `${place} with the token ${csrf.slice(0, 6)}`);
      assert.equal(answer.headers()['content-type'], 'text/html; charset=utf-8', 'it is told on a page');
    }
  }
  assert.equal(await state(), before);
  await context.close();
});
