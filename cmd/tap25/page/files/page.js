'use strict';
// Texts and curves are fetched again; without an answer the page says so. What is drawn is also in tables.

const every = 5000, curvesEvery = 15000;
const $ = (id) => document.getElementById(id);
const setText = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

async function refresh() {
  let state;
  try {
    const answer = await fetch('state.json', { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status);
    state = await answer.json();
  } catch {
    $('stale').hidden = false;
    return;
  }
  $('stale').hidden = true;
  const before = document.body.dataset.state;
  document.body.dataset.state = state.state;
  if (curves && before !== state.state) draw(); // its height depends on the state
  document.title = `tap25: ${state.texts.sensor}, ${state.state}`;
  for (const [id, text] of Object.entries(state.texts)) {
    setText($(id), text);
    $(id)?.classList.toggle('loud', Boolean(state.loud[id]));
  }
  const reasons = state.reasons || [];
  if (reasons.join('\n') !== [...$('reasons').children].map((li) => li.textContent).join('\n')) {
    $('reasons').replaceChildren(...reasons.map((text) => {
      const li = document.createElement('li');
      li.textContent = text;
      return li;
    }));
  }
}

// The curves: of each its series, with the name, the key in curves.json and the colour in page.css.
const charts = {
  frames: [['read', 'read', 'accent'], ['lost', 'lost', 'bad']],
  recipients: [['accepted', 'accepted', 'accent'], ['not accepted', 'not_taken', 'second'], ['encrypted', 'encrypted', 'third']],
  waiting: [['rows', 'waiting', 'accent']],
};
const plots = {};
let curves, shown = 'hour';

const number = (n) => n === undefined || n === null ? '–' : n.toLocaleString('en', { maximumFractionDigits: n < 10 ? 1 : 0 });
const clock = (t, seconds) => new Date(t * 1000).toISOString().slice(11, seconds ? 19 : 16);

function options(id) {
  const style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue('--' + name).trim();
  const font = '11px ' + style.fontFamily;
  const axis = { stroke: colour('soft'), font, ticks: { show: false }, grid: { stroke: colour('line'), width: 1 } };
  return {
    width: $(id).clientWidth, height: $(id).clientHeight, padding: [6, 18, 0, 0],
    legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { size: 5 } },
    scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, size: 22, gap: 4, grid: { show: false }, values: (_, list) => list.map((t) => clock(t, list[1] - list[0] < 60)) },
      { ...axis, size: 50, gap: 5, space: 34, values: (_, list) => list.map(number) },
    ],
    series: [{}, ...charts[id].map(([label, , name]) => ({
      label, stroke: colour(name), width: 1.5, points: { show: false }, fill: colour(name) + '1f',
    }))],
    hooks: { setCursor: [(u) => say(id, u.cursor.idx)] },
  };
}

// drawn are the values of a series; a loss is drawn where there is one.
const drawn = (values = [], name) => (name === 'bad' ? values.map((n) => n || null) : values);

// say writes the values at a point of the past, or the last ones, beside their colours.
function say(id, at) {
  const data = curves[shown];
  const last = at === null || at === undefined;
  const i = last ? data.at.length - 1 : at;
  const keys = charts[id].map(([label, key, name]) => {
    const mark = document.createElement('i'), span = document.createElement('span');
    mark.className = name === 'bad' && !data[key].some(Boolean) ? 'none' : name;
    span.className = 'key';
    span.append(mark, `${label} ${number(data[key][i])}`);
    return span;
  });
  if (!last && data.at.length) keys.push('at ' + clock(data.at[i]));
  $(id + '-text').replaceChildren(...keys);
}

function draw() {
  const data = curves[shown];
  for (const id of Object.keys(charts)) {
    plots[id]?.destroy();
    plots[id] = new uPlot(options(id), [data.at, ...charts[id].map(([, key, name]) => drawn(data[key], name))], $(id));
    say(id, null);
  }
}

async function refreshCurves() {
  try {
    const answer = await fetch('curves.json', { cache: 'no-store' });
    if (!answer.ok) return;
    curves = await answer.json();
  } catch {
    return; // refresh says so
  }
  for (const past of Object.values(curves)) {
    for (const key of Object.keys(past)) past[key] ||= [];
  }
  document.querySelector('.curves').hidden = false;
  if (!document.activeElement?.classList.contains('plot')) draw(); // a point that is being read stays
}

function choose(past) {
  shown = past;
  for (const name of ['hour', 'day']) $(name).setAttribute('aria-pressed', String(name === past));
  if (curves) draw();
}

// The arrow keys move along a curve that has the focus.
function move(event) {
  const u = plots[event.currentTarget.id], step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !u || !u.data[0].length) return;
  event.preventDefault();
  const most = u.data[0].length - 1;
  const i = Math.min(Math.max((u.cursor.idx ?? most + (step < 0 ? 1 : 0)) + step, 0), most);
  u.setCursor({ left: u.valToPos(u.data[0][i], 'x'), top: 0 });
}

// The tables of the past are made by the server: they are fetched when they are opened.
async function refreshTables() {
  if (!$('tables').open) return;
  const answer = await fetch('.', { cache: 'no-store' });
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = [...page.querySelectorAll('#tables table')];
  $('tables').querySelectorAll('table').forEach((table, i) => table.replaceWith(fresh[i]));
}

$('tables').open = false; // it stands for the curves
for (const past of ['hour', 'day']) $(past).addEventListener('click', () => choose(past));
for (const id of Object.keys(charts)) {
  $(id).addEventListener('keydown', move);
  $(id).addEventListener('blur', () => { if (curves) draw(); });
}
$('tables').addEventListener('toggle', refreshTables);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (curves) draw(); });
let resized;
addEventListener('resize', () => { clearTimeout(resized); resized = setTimeout(() => { if (curves) draw(); }, 200); });
refresh();
refreshCurves();
setInterval(refresh, every);
setInterval(refreshCurves, curvesEvery);
