// Objects drawn over their picture, for the screen and for the file to download.

import { decodeRuns, outline, pathOf } from './rle.js';

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

// Masks are decoded when they are first drawn, and kept.
export function pathOfObject(object) {
  if (!object.path) {
    const { size, counts } = object.segmentation;
    object.path = pathOf(outline(decodeRuns(counts), size[0]));
  }
  return object.path;
}

function paintMask(context, object, unit, focus) {
  const path = pathOfObject(object);
  const other = focus && focus !== object;
  context.fillStyle = context.strokeStyle = object.colour.css;
  context.globalAlpha = other ? 0.16 : focus ? 0.6 : 0.46;
  context.fill(path, 'evenodd');
  context.globalAlpha = other ? 0.35 : 1;
  context.lineJoin = 'round';
  // A light rim, so that the outline shows on its own colour.
  if (!other) {
    context.lineWidth = (focus ? 5 : 3) * unit;
    context.strokeStyle = focus ? '#fff' : 'rgb(255 255 255 / 55%)';
    context.stroke(path);
    context.strokeStyle = object.colour.css;
  }
  context.lineWidth = (focus === object ? 2.5 : 1.5) * unit;
  context.stroke(path);
}

function paintBox(context, object, unit, focus) {
  context.globalAlpha = focus && focus !== object ? 0.3 : 0.9;
  context.strokeStyle = object.colour.css;
  context.lineWidth = 1.25 * unit;
  context.strokeRect(...object.bbox);
}

// A tag on the upper edge of the box, moved so far that it stays in the picture.
function paintLabel(context, object, unit, focus, size) {
  const text = `${object.category} ${Math.round(object.score * 100)}`;
  context.globalAlpha = focus && focus !== object ? 0.25 : 1;
  context.font = `600 ${12 * unit}px ${FONT}`;
  context.textBaseline = 'middle';
  const width = context.measureText(text).width + 10 * unit;
  const height = 18 * unit;
  const [left, top] = object.bbox;
  const x = Math.max(0, Math.min(left - 0.75 * unit, size.width - width));
  const y = Math.max(0, Math.min(top - height, size.height - height));
  context.fillStyle = object.colour.css;
  context.beginPath();
  context.roundRect(x, y, width, height, 4 * unit);
  context.fill();
  context.fillStyle = object.colour.text;
  context.fillText(text, x + 5 * unit, y + height / 2 + 0.5 * unit);
}

// objects have the highest score first and are drawn so that it is on top; focus is one of them or
// null; unit is a screen's pixel in those of the picture, whose size is given.
export function paintObjects(context, objects, { masks, boxes, labels, focus, unit, size }) {
  const order = objects.filter((object) => object !== focus).reverse();
  if (focus) order.push(focus);
  context.save();
  if (masks) {
    for (const object of order) if (object.segmentation) paintMask(context, object, unit, focus);
  }
  if (boxes) for (const object of order) paintBox(context, object, unit, focus);
  if (labels) for (const object of order) paintLabel(context, object, unit, focus, size);
  context.restore();
}
