// The page: takes a picture, has it answered, and shows the answer in words and on the canvas. What
// is shown changes without another request, since the first asks for all objects from LEAST_SCORE.

import { paletteColour } from './palette.js';
import { paintObjects } from './paint.js';
import { call, hasToken, Refusal, setToken } from './service.js';
import { Viewer } from './viewer.js';

const LEAST_SCORE = 0.05;
const BINS = 19; // of the scores from LEAST_SCORE to 1
const HEALTH_INTERVAL = 20000;

const $ = (id) => document.getElementById(id);
const state = {
  model: null, // as /v1/models tells
  picture: null, // { blob, name, bitmap }
  answer: null,
  objects: [], // of the answer, with colour and row
  off: new Set(), // classes that are not shown
  hovered: null,
  held: null,
  pending: null, // AbortController of the request that runs
};
const viewer = new Viewer($('canvas'), { hover, pick: hold, zoomed: tellZoom });

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function dot(colour) {
  const made = element('i', 'dot');
  made.style.background = colour.css;
  return made;
}

// ---- The server ----

// Like call, but asks the user for a token where the server does.
async function ask(path, options) {
  for (;;) {
    try {
      return await call(path, options);
    } catch (refusal) {
      if (refusal.status !== 401 || !(await askToken(refusal))) throw refusal;
    }
  }
}

function askToken(refusal) {
  const dialog = $('token');
  if (hasToken()) {
    $('wrong').textContent = refusal.message;
    $('wrong').classList.add('bad');
  }
  dialog.returnValue = '';
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      const text = $('secret').value.trim();
      $('secret').value = '';
      if (dialog.returnValue !== 'use' || !text) return resolve(false);
      setToken(text);
      return resolve(true);
    }, { once: true });
  });
}

async function loadModel() {
  try {
    state.model = (await ask('v1/models')).models[0];
  } catch (refusal) {
    showError(refusal, loadModel);
    return;
  }
  const { name, version, classes, limits } = state.model;
  const many = classes.length === 1 ? '1 class' : `${classes.length} classes`;
  $('limit').textContent = ` up to ${Math.floor(limits['max-body-bytes'] / 2 ** 20)} MiB`;
  $('model').textContent = [name, version, many].filter(Boolean).join(' · ');
}

async function loadHealth() {
  let told;
  try {
    told = await (await fetch('v1/health/ready', { cache: 'no-store' })).json();
  } catch {
    told = { status: 'unreachable' };
  }
  const ready = told.status === 'ready';
  $('state').className = ready ? 'ready' : 'away';
  const words = ready ? 'ready' : (told.reason ?? told.status).replaceAll('_', ' ');
  if ($('state').lastChild.textContent !== words) $('state').lastChild.textContent = words;
}

// ---- A picture and its answer ----

async function take(blob, name) {
  state.pending?.abort();
  const pending = new AbortController();
  state.pending = pending;
  state.picture = { blob, name, bitmap: null };
  showError(null);
  clearAnswer();
  try {
    state.picture.bitmap = await createImageBitmap(blob);
  } catch {
    // The server will say what is wrong with it, or knows it better.
  }
  if (state.pending !== pending) return;
  document.body.classList.remove('empty');
  $('name').textContent = $('name').title = name;
  const { width, height } = state.picture.bitmap ?? { width: 1, height: 1 };
  $('canvas').style.setProperty('--aspect', `${width} / ${height}`);
  viewer.show(state.picture.bitmap);
  tellCurl();
  const stop = showBusy();
  try {
    const answer = await ask(`v1/detect?score=${LEAST_SCORE}`,
      { method: 'POST', type: blob.type, body: blob, signal: pending.signal });
    if (state.pending === pending) await showAnswer(answer);
  } catch (error) {
    if (error.name !== 'AbortError') showError(error, () => take(blob, name));
    else if (state.pending === pending) $('canvas').ariaLabel = 'Cancelled';
  } finally {
    stop(state.pending === pending);
  }
}

// Returns what ends it; last: no other request has taken over.
function showBusy() {
  const began = performance.now();
  const tell = () => {
    $('seconds').textContent = `${((performance.now() - began) / 1000).toFixed(1)} s`;
  };
  tell();
  $('busy').hidden = false;
  const timer = setInterval(tell, 100);
  return (last) => {
    clearInterval(timer);
    if (last) $('busy').hidden = true;
  };
}

function clearAnswer() {
  state.answer = null;
  state.objects = [];
  state.off.clear();
  state.hovered = state.held = null;
  viewer.setObjects([]);
  viewer.setFocus(null);
  $('result').hidden = true;
}

async function showAnswer(answer) {
  const { picture } = state;
  const { width, height } = answer.image;
  // Some browsers turn pictures of a kind by their EXIF record that others, or the server, leave.
  if (picture.bitmap && (picture.bitmap.width !== width || picture.bitmap.height !== height)) {
    picture.bitmap = await createImageBitmap(picture.blob, { imageOrientation: 'none' });
    viewer.show(picture.bitmap);
  }
  const labels = new Map(state.model?.classes.map(({ name }, index) => [name, index + 1]));
  state.answer = answer;
  state.objects = answer.detections.map((detection) => ({
    ...detection,
    colour: paletteColour(labels.get(detection.category) ?? detection.category_id),
  }));
  $('result').hidden = false;
  showRows();
  showScores();
  showClasses();
  showTime(answer.timing_ms);
  refresh();
}

function isShown(object) {
  return object.score >= Number($('score').value) && !state.off.has(object.category);
}

function shownObjects() {
  return state.objects.filter(isShown);
}

// After the slider, the classes or the answer have changed.
function refresh() {
  const shown = shownObjects();
  const least = Number($('score').value);
  $('least').textContent = least.toFixed(2);
  for (const object of state.objects) object.row.hidden = !isShown(object);
  [...$('scores').children].forEach((bar, bin) => {
    bar.classList.toggle('below', LEAST_SCORE + ((bin + 1) / BINS) * (1 - LEAST_SCORE) <= least);
  });
  const all = state.objects.length;
  $('count').textContent = `${shown.length} of ${all}${state.answer?.truncated ? '+' : ''} objects`;
  $('none').hidden = shown.length > 0;
  $('none').textContent = all ? 'None from this score on: move the slider.' : 'Nothing was found.';
  $('canvas').ariaLabel = `${state.picture.name}: ${shown.length} objects drawn`;
  if (state.held && !isShown(state.held)) state.held = null;
  viewer.setObjects(shown);
  tellFocus();
  tellCurl();
  rove();
}

// ---- The result in words ----

function showRows() {
  const { width, height } = state.answer.image;
  $('rows').replaceChildren(...state.objects.map((object) => {
    const row = object.row = element('tr');
    const name = element('td');
    name.append(dot(object.colour), object.category);
    name.title = object.category;
    const share = object.area === null ? '' : `${percent(object.area / (width * height))} %`;
    const [, , across, down] = object.bbox.map(Math.round);
    row.append(name, element('td', 'n', object.score.toFixed(3)), element('td', 'n soft', share),
      element('td', 'n soft', `${across} × ${down}`));
    row.tabIndex = -1;
    row.addEventListener('mouseenter', () => hover(object));
    row.addEventListener('mouseleave', () => hover(null));
    row.addEventListener('focus', () => hover(object));
    row.addEventListener('blur', () => hover(null));
    row.addEventListener('click', () => hold(object));
    return row;
  }));
}

function percent(share) {
  return (share * 100).toFixed(share < 0.1 ? 2 : 1);
}

function showScores() {
  const counts = new Array(BINS).fill(0);
  for (const { score } of state.objects) {
    const bin = Math.floor(((score - LEAST_SCORE) / (1 - LEAST_SCORE)) * BINS);
    counts[Math.max(0, Math.min(bin, BINS - 1))]++;
  }
  const most = Math.max(...counts, 1);
  $('scores').replaceChildren(...counts.map((count) => {
    const bar = element('i');
    bar.style.height = count ? `${6 + (94 * count) / most}%` : '0';
    return bar;
  }));
}

function showClasses() {
  const classes = new Map();
  for (const { category, colour } of state.objects) {
    const known = classes.get(category) ?? { colour, count: 0 };
    known.count++;
    classes.set(category, known);
  }
  const sorted = [...classes].sort(
    ([a, { count: m }], [b, { count: n }]) => n - m || (a < b ? -1 : 1));
  $('classes').replaceChildren(...sorted.map(([category, { colour, count }]) => {
    const button = element('button');
    button.type = 'button';
    button.ariaPressed = 'true';
    button.append(dot(colour), category, element('small', '', count));
    button.addEventListener('click', () => {
      if (!state.off.delete(category)) state.off.add(category);
      button.ariaPressed = String(!state.off.has(category));
      refresh();
    });
    return button;
  }));
}

function showTime(timing) {
  $('time').closest('section').hidden = !timing;
  if (!timing) return;
  const phases = Object.entries(timing).filter(([name]) => name !== 'total');
  $('total').textContent = `${milliseconds(timing.total)} in the server`;
  $('time').replaceChildren(...phases.map(([name, spent]) => {
    const piece = element('i', name);
    piece.style.flexGrow = spent;
    piece.title = `${name} ${milliseconds(spent)}`;
    return piece;
  }));
  $('phases').replaceChildren(...phases.map(([name, spent]) => {
    const item = element('li');
    item.append(element('i', `dot ${name}`), name, element('span', '', milliseconds(spent)));
    return item;
  }));
}

function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

// ---- One object in focus: under the pointer or the keyboard, or held by a click ----

function hover(object) {
  if (state.hovered === object) return;
  state.hovered = object;
  tellFocus();
}

function hold(object) {
  state.held = state.held === object ? null : object;
  tellFocus();
  state.held?.row.scrollIntoView({ block: 'nearest' });
}

function tellFocus() {
  const focus = state.hovered ?? state.held;
  for (const object of state.objects) {
    object.row.classList.toggle('focus', object === focus);
    object.row.ariaSelected = String(object === state.held);
  }
  viewer.setFocus(focus);
}

// One row of the table is reached by the tab key, the others from there by arrows.
function rove(object = shownObjects()[0]) {
  for (const { row } of state.objects) row.tabIndex = -1;
  if (object) object.row.tabIndex = 0;
}

function rowKey(event) {
  const shown = shownObjects();
  const index = shown.findIndex(({ row }) => row === event.target);
  const places = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: shown.length - 1 };
  const next = places[event.key];
  if (event.key === 'Enter' || event.key === ' ') hold(shown[index]);
  else if (next === undefined) return;
  else if (shown[next]) {
    rove(shown[next]);
    shown[next].row.focus();
  }
  event.preventDefault();
}

// ---- Errors ----

function showError(error, again) {
  $('error').hidden = !error;
  document.body.classList.toggle('failed', Boolean(error));
  if (!error) return;
  const { message, code, status, requestId, retryAfter } =
    error instanceof Refusal ? error : new Refusal(error.message, error.name);
  $('reason').textContent = message.charAt(0).toUpperCase() + message.slice(1);
  $('code').textContent = code;
  $('where').textContent = [
    status && `status ${status}`, requestId && `request ${requestId}`,
    retryAfter && `the server expects room in ${retryAfter} s`,
  ].filter(Boolean).join(' · ');
  document.body.classList.toggle('empty', !state.picture?.bitmap);
  // What cannot end otherwise is not worth another try.
  $('again').hidden = status >= 400 && status < 500 && ![401, 408, 429].includes(status);
  $('again').onclick = again;
  $('canvas').ariaLabel = 'No result';
  loadHealth();
}

// ---- Things to take along ----

function quote(text) {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function tellCurl() {
  const query = new URLSearchParams({ score: Number($('score').value).toFixed(2) });
  const kept = new Map(state.objects.map(({ category, category_id: id }) => [category, id]));
  for (const category of state.off) kept.delete(category);
  if (state.off.size && kept.size) query.set('classes', [...kept.values()].join(','));
  const url = new URL('v1/detect', document.baseURI);
  const token = hasToken() ? '-H "Authorization: Bearer $TOKEN" ' : '';
  const file = quote(state.picture?.name ?? 'photo.jpg');
  $('curl').textContent = `curl -T ${file} ${token}${quote(`${url}?${decodeURIComponent(query)}`)}`;
}

async function copyCurl() {
  const text = $('curl').textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS browsers have only the old way.
    getSelection().selectAllChildren($('curl'));
    document.execCommand('copy');
  }
  $('copy').textContent = 'Copied';
  setTimeout(() => ($('copy').textContent = 'Copy'), 1500);
}

function save(blob, suffix) {
  const link = element('a');
  link.href = URL.createObjectURL(blob);
  link.download = state.picture.name.replace(/\.[^.]*$/, '') + suffix;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function saveJson(value, suffix) {
  save(new Blob([`${JSON.stringify(value)}\n`], { type: 'application/json' }), suffix);
}

function cocoResults() {
  const digits = state.picture.name.match(/^\d+(?=\.)/);
  return shownObjects().map((object) => ({
    image_id: digits ? Number(digits[0]) : 1,
    category_id: object.category_id,
    bbox: object.bbox,
    score: object.score,
    segmentation: object.segmentation,
  }));
}

function savePng() {
  const { bitmap } = state.picture;
  if (!bitmap) return;
  const canvas = element('canvas');
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const unit = Math.max(1, Math.max(bitmap.width, bitmap.height) / 900);
  paintObjects(context, shownObjects(), { ...viewer.layers, focus: null, unit, size: bitmap });
  canvas.toBlob((blob) => save(blob, '-masks.png'));
}

// ---- Controls ----

function tellZoom(scale, fitted) {
  $('fit').textContent = fitted ? 'fit' : `${Math.round(scale * devicePixelRatio * 100)} %`;
}

function toggleLayer(name) {
  viewer.layers[name] = !viewer.layers[name];
  $(name).ariaPressed = String(viewer.layers[name]);
  viewer.draw();
}

function takeFile(files) {
  const file = files?.[0];
  if (file) take(file, file.name || 'pasted.png');
}

function listen() {
  $('file').addEventListener('change', (event) => {
    takeFile(event.target.files);
    event.target.value = ''; // the same file may be chosen again
  });
  addEventListener('paste', (event) => takeFile(event.clipboardData.files));
  let inside = 0; // elements that the dragged file has entered and not left
  const drag = (change) => (event) => {
    event.preventDefault();
    inside = change === 0 ? 0 : inside + change;
    document.body.classList.toggle('dragging', inside > 0);
  };
  addEventListener('dragenter', drag(1));
  addEventListener('dragleave', drag(-1));
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    drag(0)(event);
    takeFile(event.dataTransfer.files);
  });
  for (const layer of Object.keys(viewer.layers)) {
    $(layer).addEventListener('click', () => toggleLayer(layer));
  }
  $('in').addEventListener('click', () => viewer.zoom(1.5));
  $('out').addEventListener('click', () => viewer.zoom(1 / 1.5));
  $('fit').addEventListener('click', () => viewer.fit());
  $('score').addEventListener('input', refresh);
  $('rows').addEventListener('keydown', rowKey);
  $('cancel').addEventListener('click', () => state.pending?.abort());
  $('dismiss').addEventListener('click', () => ($('error').hidden = true));
  $('copy').addEventListener('click', copyCurl);
  $('save-json').addEventListener('click', () => saveJson(state.answer, '.json'));
  $('save-coco').addEventListener('click', () => saveJson(cocoResults(), '-coco.json'));
  $('save-png').addEventListener('click', savePng);
  addEventListener('keydown', (event) => {
    const typing = event.target.matches?.('input:not([type=range]), dialog *');
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const layer = { m: 'masks', b: 'boxes', l: 'labels' }[event.key];
    if (layer && state.answer) toggleLayer(layer);
    if (event.key === 'Escape' && state.held) hold(state.held);
  });
  document.addEventListener('visibilitychange', () => document.hidden || loadHealth());
  setInterval(() => document.hidden || loadHealth(), HEALTH_INTERVAL);
}

listen();
tellCurl();
loadHealth();
loadModel();
