// Masks as COCO's compressed run lengths, and their outlines.

// "counts" as run lengths: pixels outside, inside, outside, ... down the columns from the left.
// A number is a chain of characters of 5 bits, lowest first; from the fourth on it is the
// difference to the run two before.
export function decodeRuns(counts) {
  const runs = [];
  for (let i = 0; i < counts.length;) {
    let value = 0;
    let weight = 1;
    let group;
    do {
      group = counts.charCodeAt(i++) - 48;
      value += (group & 31) * weight;
      weight *= 32;
    } while (group & 32);
    if (group & 16) value -= weight;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

// The mask's pixels by column: a map from x to [top, bottom, top, bottom, ...], bottoms excluded.
function columnsOf(runs, height) {
  const columns = new Map();
  let end = 0;
  runs.forEach((run, index) => {
    let at = end;
    end += run;
    while (index % 2 && at < end) {
      const x = Math.floor(at / height);
      const top = at - x * height;
      const bottom = Math.min(end - x * height, height);
      const spans = columns.get(x) ?? [];
      if (spans.length && spans[spans.length - 1] === top) spans[spans.length - 1] = bottom;
      else spans.push(top, bottom);
      columns.set(x, spans);
      at = x * height + bottom;
    }
  });
  return columns;
}

// Where exactly one of two neighbouring columns is inside: calls border(from, to, left) for each
// piece between two ends of spans, left telling which column that is.
function eachBorder(left, right, border) {
  let i = 0;
  let j = 0;
  let from = 0;
  while (i < left.length || j < right.length) {
    const to = Math.min(left[i] ?? Infinity, right[j] ?? Infinity);
    if (i % 2 !== j % 2) border(from, to, i % 2 === 1);
    if (left[i] === to) i++;
    if (right[j] === to) j++;
    from = to;
  }
}

// The outline of a mask as closed loops [x, y, x, y, ...] along the edges of its pixels: filled by
// the even-odd rule they are the mask, with its holes.
export function outline(runs, height) {
  const columns = columnsOf(runs, height);
  const stride = Math.floor(runs.reduce((sum, run) => sum + run, 0) / height) + 1;
  const edges = new Map(); // from a corner, as a number, to the ends of the edges that begin there
  const add = (x, y, toX, toY) => {
    const ends = edges.get(y * stride + x);
    if (ends) ends.push(toX, toY);
    else edges.set(y * stride + x, [toX, toY]);
  };
  for (const [x, spans] of columns) {
    for (let k = 0; k < spans.length; k += 2) {
      add(x, spans[k], x + 1, spans[k]);
      add(x + 1, spans[k + 1], x, spans[k + 1]);
    }
    const vertical = (at) => (from, to, inLeft) =>
      (inLeft ? add(at, from, at, to) : add(at, to, at, from));
    eachBorder(columns.get(x - 1) ?? [], spans, vertical(x));
    if (!columns.has(x + 1)) eachBorder(spans, [], vertical(x + 1));
  }
  return chain(edges, stride);
}

// Every corner has as many edges in as out, so a walk ends where it began.
function chain(edges, stride) {
  const loops = [];
  for (const [start, ends] of edges) {
    while (ends.length) {
      const loop = [];
      let x = start % stride;
      let y = (start - x) / stride;
      let wayX = 0;
      let wayY = 0;
      for (let next = ends; next?.length; next = edges.get(y * stride + x)) {
        const toY = next.pop();
        const toX = next.pop();
        const straight = Math.sign(toX - x) === wayX && Math.sign(toY - y) === wayY;
        if (!straight) loop.push(x, y);
        wayX = Math.sign(toX - x);
        wayY = Math.sign(toY - y);
        x = toX;
        y = toY;
      }
      loops.push(loop);
    }
  }
  return loops;
}

export function pathOf(loops) {
  const path = new Path2D();
  for (const loop of loops) {
    path.moveTo(loop[0], loop[1]);
    for (let i = 2; i < loop.length; i += 2) path.lineTo(loop[i], loop[i + 1]);
    path.closePath();
  }
  return path;
}
