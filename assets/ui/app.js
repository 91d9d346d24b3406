// What the pages have besides: keys, local times, copying, news of other clients. Every page works
// without it. Nothing here makes markup out of text.

const signedIn = document.body.hasAttribute('data-signed-in');
const each = (selector, work) => document.querySelectorAll(selector).forEach(work);
const one = (selector) => document.querySelector(selector);
// Where the pages are: a proxy may have something before them.
const UI = new URL('../../', import.meta.url).pathname;
// Private windows keep nothing, and may throw at the very name of what would.
const keeper = (store) => ({
  get(name) { try { return store().getItem(name); } catch { return null; } },
  set(name, value) { try { store().setItem(name, value); } catch { /* nothing is kept */ } },
  drop(name) { try { store().removeItem(name); } catch { /* nothing was kept */ } },
});
const kept = keeper(() => localStorage);
const drafts = keeper(() => sessionStorage);

// A link of `memoryd open` carries its code behind the `#`, which no log has seen.
const code = location.pathname.endsWith('/ui/login') && /^#t=([\w-]{20,})$/.exec(location.hash);
if (code) {
  history.replaceState(null, '', location.pathname + location.search);
  const field = one('#credential');
  if (field) {
    field.value = code[1];
    one('#login').requestSubmit();
  }
}

const told = one('[data-focus]');
if (told) told.focus();

each('time[datetime]', (time) => {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) return;
  time.title = time.dateTime;
  time.textContent = at.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
});

// What is made to be copied, and is not on the page as it is.
const made = {
  id: () => one('#id').textContent,
  link: () => location.origin + location.pathname,
  markdown: () => `# ${one('h1').textContent}\n\n${one('#text').textContent}\n\n${made.link()}\n`,
};
// Plain HTTP has no clipboard: then the text is selected, and the keyboard copies it.
each('[data-copy]', (button) => {
  button.hidden = false;
  button.addEventListener('click', async () => {
    const name = button.dataset.copy;
    const make = made[name];
    const text = make ? make() : one(`#${name}`).textContent;
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      say('Copied.');
      return;
    }
    const [words, place] = make ? [text, '#live p'] : ['Selected: copy it with the keyboard.', `#${name}`];
    say(words);
    const range = document.createRange();
    range.selectNodeContents(one(place));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  });
});

each('[data-count]', (area) => {
  const out = document.getElementById(area.dataset.count);
  const count = () => {
    const bytes = new TextEncoder().encode(area.value).length;
    out.textContent = `${bytes} bytes, about ${Math.ceil(area.value.length / 4)} tokens`;
  };
  area.addEventListener('input', count);
  count();
});

// A file is read here, so that it goes the way of what is pasted.
each('[data-needs-script]', (part) => { part.hidden = false; });
each('[data-into]', (input) => input.addEventListener('change', async () => {
  const [file] = input.files;
  if (file) document.getElementById(input.dataset.into).value = await file.text();
}));

each('[data-all]', (box) => box.addEventListener('change', () => {
  each('ol.memories input[type=checkbox]', (other) => { other.checked = box.checked; });
}));

function say(text, link, target) {
  const live = one('#live');
  live.replaceChildren();
  const line = document.createElement('p');
  line.textContent = text;
  live.append(line);
  if (link) {
    const a = document.createElement('a');
    a.href = target;
    a.textContent = link;
    live.append(a);
  }
  live.hidden = false;
}

// What is typed outlives a session that has ended: the draft comes back with the form.
each('textarea[data-draft]', (area) => {
  const name = `memoryd-draft:${area.dataset.draft}`;
  const found = drafts.get(name);
  if (found !== null && found !== area.value) {
    area.value = found;
    say('What you had typed is here again.');
  }
  area.addEventListener('input', () => drafts.set(name, area.value));
  // What comes back of it is the server's to say.
  area.form?.addEventListener('submit', () => drafts.drop(name));
});

// Keys. None while somebody types or holds a modifier, and none at all if they are switched off.
const GO = { o: '', m: 'memories', s: 'search', i: 'inbox', t: 'trash', a: 'activity', c: 'clients' };
let going = false;
const rows = () => [...document.querySelectorAll('ol.memories > li')];
const current = () => one('ol.memories > li[data-current]');
function move(by) {
  const all = rows();
  if (!all.length) return;
  const here = all.indexOf(current());
  const next = all[Math.max(0, Math.min(all.length - 1, here + by))] ?? all[0];
  all.forEach((row) => row.removeAttribute('data-current'));
  next.setAttribute('data-current', '');
  next.querySelector('a')?.focus();
}
// What a key does to the row that is current, or to the one memory of the page. Rows of a long list have no
// buttons of their own: what theirs would send is sent for them, where the list may be changed.
function press(key) {
  const row = current();
  const button = (row ?? document).querySelector(`[data-key="${key}"]`);
  if (button) button.click();
  else if (row?.closest('form[data-rows]')) act(row, key);
}
function act(row, key) {
  if (key === 'e') return location.assign(`${row.querySelector('a').href}/edit`);
  const send = document.createElement('button');
  const what = key === '#' ? 'trash' : row.hasAttribute('data-pinned') ? 'unpin' : 'pin';
  send.name = 'one';
  send.value = `${what}:${row.querySelector('input[name=ids]').value}`;
  send.hidden = true;
  row.append(send);
  return row.closest('form').requestSubmit(send);
}
function showKeys() {
  const keys = one('#keys-shown');
  if (keys.showModal) keys.showModal();
  else location.assign(`${UI}help`);
}
function onKey(event) {
  const at = event.target;
  const isOff = event.ctrlKey || event.altKey || event.metaKey || kept.get('memoryd-keys') === 'off';
  // An open dialog has its own keys.
  if (isOff || one('dialog[open]')) return;
  if (event.key === 'Escape') {
    at.blur?.();
    current()?.removeAttribute('data-current');
    return;
  }
  const types = at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement
    || (at instanceof HTMLInputElement && at.type !== 'checkbox') || at.isContentEditable;
  if (types) return;
  if (going) {
    going = false;
    if (event.key in GO) location.assign(UI + GO[event.key]);
    return;
  }
  const does = {
    '/': () => (one('#q') ? one('#q').focus() : location.assign(`${UI}search`)),
    j: () => move(1), k: () => move(-1), g: () => { going = true; }, n: () => location.assign(`${UI}new`),
    e: () => press('e'), '#': () => press('#'), u: () => one('[data-key="u"]')?.click(), p: () => press('p'),
    x: () => current()?.querySelector('input[type=checkbox]')?.click(),
    '?': showKeys,
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
}
if (signedIn) document.addEventListener('keydown', onKey);
each('[data-keys]', (box) => {
  box.checked = kept.get('memoryd-keys') !== 'off';
  box.addEventListener('change', () => kept.set('memoryd-keys', box.checked ? 'on' : 'off'));
});

// News of what others change. Streams are few, for each holds a connection: who gets none hears it
// from another tab.
if (signedIn && 'EventSource' in window) {
  const channel = 'BroadcastChannel' in window ? new BroadcastChannel('memoryd') : null;
  const PAUSE = 5000; // between two announcements, so that nobody is talked over
  const MOST = 1000;
  const heard = new Set(); // the same comes from the stream and from other tabs
  const changed = new Map();
  let own = '';
  let pending = 0;
  let next = 0;
  const words = () => {
    if (own) return own;
    const all = [...changed.values()];
    const added = all.filter((op) => op === 'added').length;
    const parts = [];
    if (added) parts.push(`${added} new`);
    if (all.length > added) parts.push(`${all.length - added} changed`);
    return parts.join(', ') || 'Something has changed';
  };
  const tell = () => {
    pending = 0;
    next = Date.now() + PAUSE;
    say(words(), 'Show', location.pathname + location.search);
  };
  // Rows stay where they are until somebody asks for the new ones.
  const news = () => { pending ||= setTimeout(tell, Math.max(0, next - Date.now())); };
  const note = ({ number, change }) => {
    const { id, op, client } = JSON.parse(change);
    const key = `${number} ${id}`;
    if (heard.has(key)) return;
    if (heard.size > MOST) heard.clear();
    heard.add(key);
    const name = id ?? number;
    if (changed.size < MOST && changed.get(name) !== 'added') changed.set(name, op);
    if (id && location.pathname.includes(id)) own = `This memory was ${op}${client ? ` by ${client}` : ''}`;
    news();
  };
  const ended = () => say('You are signed out.', 'Sign in again', `${UI}login?next=${encodeURIComponent(location.pathname.replace(UI, '/ui/'))}`);
  const hear = (what) => (what.ended ? ended() : what.change ? note(what) : news());
  channel?.addEventListener('message', (message) => hear(message.data));
  const stream = new EventSource(`${UI}events`);
  const pass = (what) => { hear(what); channel?.postMessage(what); };
  stream.addEventListener('memory', (event) => pass({ number: event.lastEventId, change: event.data }));
  // The stream was away and something has changed meanwhile, or very much has.
  stream.addEventListener('resync', () => pass({}));
  stream.addEventListener('session-ended', () => { stream.close(); pass({ ended: true }); });
  // A browser gives up where it is refused and does not say why: after a restart nobody is signed in, and a
  // page that has streams enough in other tabs is told to stop asking.
  stream.addEventListener('error', async () => {
    if (stream.readyState !== EventSource.CLOSED) return;
    const look = new AbortController();
    try {
      const answer = await fetch(`${UI}events`, { signal: look.signal });
      if (answer.status === 401 || answer.redirected) pass({ ended: true });
    } catch { /* nobody is there to be signed out of; the next form says so */ }
    look.abort();
  });
  addEventListener('pagehide', () => stream.close());
}
