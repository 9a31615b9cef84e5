// The picture on its canvas: fits it, zooms and pans by wheel, fingers, mouse and keys, and tells
// which object is under the pointer.

import { paintObjects, pathOfObject } from './paint.js';

const STEP = 1.3; // of one turn of zoom
const MAX_SCALE = 24;
const CLICK = 5; // pixels that a hand may tremble

export class Viewer {
  layers = { masks: true, boxes: true, labels: true };
  #canvas;
  #context;
  #picture = null;
  #objects = [];
  #focus = null;
  #fitted = true; // follows the size of the canvas
  #view = { scale: 1, x: 0, y: 0 }; // screen = picture * scale + (x, y)
  #pointers = new Map();
  #moved = 0;
  #frame = 0;
  #events;

  // events: hover(object or null), pick(object or null), zoomed(scale, whether it is the fit)
  constructor(canvas, events) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d');
    this.#events = events;
    new ResizeObserver(() => this.#resize()).observe(canvas);
    canvas.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener('pointerdown', (event) => this.#down(event));
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    canvas.addEventListener('pointerup', (event) => this.#up(event));
    canvas.addEventListener('pointercancel', (event) => this.#pointers.delete(event.pointerId));
    canvas.addEventListener('pointerleave', () => this.#pointers.size || events.hover(null));
    canvas.addEventListener('dblclick', (event) => this.#double(event));
    canvas.addEventListener('keydown', (event) => this.#key(event));
  }

  show(picture) {
    this.#picture = picture;
    this.#objects = [];
    this.#focus = null;
    this.fit();
  }

  setObjects(objects) {
    this.#objects = objects;
    this.draw();
  }

  setFocus(object) {
    this.#focus = object;
    this.draw();
  }

  // Once for all changes before the next frame.
  draw() {
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  fit() {
    this.#fitted = true;
    this.#resize();
  }

  zoom(factor) {
    const { width, height } = this.#size();
    this.#zoomAt(width / 2, height / 2, factor);
  }

  #size() {
    return { width: this.#canvas.clientWidth, height: this.#canvas.clientHeight };
  }

  #fitScale() {
    const { width, height } = this.#size();
    return Math.min(width / this.#picture.width, height / this.#picture.height) || 1;
  }

  #resize() {
    const { width, height } = this.#size();
    this.#canvas.width = Math.round(width * devicePixelRatio);
    this.#canvas.height = Math.round(height * devicePixelRatio);
    if (!this.#picture) return;
    if (this.#fitted) this.#view.scale = this.#fitScale();
    this.#settle();
  }

  // Keeps a picture that is smaller than the canvas in its middle, and a larger one covering it.
  #settle() {
    const { width, height } = this.#size();
    const place = (offset, extent, room) =>
      (extent <= room ? (room - extent) / 2 : Math.min(0, Math.max(room - extent, offset)));
    const view = this.#view;
    view.x = place(view.x, this.#picture.width * view.scale, width);
    view.y = place(view.y, this.#picture.height * view.scale, height);
    this.#canvas.classList.toggle('zoomed', !this.#fitted);
    this.#events.zoomed(view.scale, this.#fitted);
    this.draw();
  }

  #zoomAt(x, y, factor) {
    if (!this.#picture) return;
    const view = this.#view;
    const least = this.#fitScale();
    const scale = Math.max(least, Math.min(view.scale * factor, Math.max(MAX_SCALE, least)));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    this.#fitted = scale === least;
    this.#settle();
  }

  #pan(dx, dy) {
    this.#view.x += dx;
    this.#view.y += dy;
    this.#settle();
  }

  #paint() {
    this.#frame = 0;
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (!this.#picture) return;
    const { scale, x, y } = this.#view;
    const ratio = devicePixelRatio;
    context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
    context.imageSmoothingEnabled = scale * ratio < 3; // larger, pixels show as they are
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#picture, 0, 0);
    paintObjects(context, this.#objects,
      { ...this.layers, focus: this.#focus, unit: 1 / scale, size: this.#picture });
  }

  // ---- Pointers ----

  #at(event) {
    const bounds = this.#canvas.getBoundingClientRect();
    return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
  }

  // The smallest of the shown objects that the point is in, by mask where there is one.
  #objectAt({ x, y }) {
    const { scale, x: left, y: top } = this.#view;
    const px = (x - left) / scale;
    const py = (y - top) / scale;
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    let found = null;
    for (const object of this.#objects) {
      const [bx, by, width, height] = object.bbox;
      if (px < bx - 1 || py < by - 1 || px > bx + width + 1 || py > by + height + 1) continue;
      const inside = !object.segmentation ||
        this.#context.isPointInPath(pathOfObject(object), px, py, 'evenodd');
      if (inside && (!found || object.area < found.area)) found = object;
    }
    return found;
  }

  #wheel(event) {
    // Outward from the fit there is nothing to see: the page scrolls.
    if (!this.#picture || (this.#fitted && event.deltaY > 0)) return;
    event.preventDefault();
    const { x, y } = this.#at(event);
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : 1;
    this.#zoomAt(x, y, 2 ** ((-event.deltaY * lines) / (event.ctrlKey ? 100 : 400)));
  }

  #down(event) {
    this.#canvas.setPointerCapture(event.pointerId);
    if (!this.#pointers.size) this.#moved = 0;
    this.#pointers.set(event.pointerId, this.#at(event));
  }

  #move(event) {
    const now = this.#at(event);
    const before = this.#pointers.get(event.pointerId);
    if (!before) {
      this.#events.hover(this.#objectAt(now));
      return;
    }
    const others = [...this.#pointers].filter(([id]) => id !== event.pointerId);
    this.#pointers.set(event.pointerId, now);
    this.#moved += Math.hypot(now.x - before.x, now.y - before.y);
    if (!this.#picture || this.#moved < CLICK) return;
    if (others.length) {
      const [, other] = others[0];
      const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      this.#zoomAt(other.x, other.y, distance(now) / distance(before));
    } else {
      this.#pan(now.x - before.x, now.y - before.y);
    }
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    if (this.#pointers.size || this.#moved >= CLICK) return;
    this.#events.pick(this.#objectAt(this.#at(event)));
  }

  #double(event) {
    if (!this.#fitted) this.fit();
    else {
      const { x, y } = this.#at(event);
      this.#zoomAt(x, y, STEP ** 4);
    }
  }

  #key(event) {
    const far = 60;
    const actions = {
      '+': () => this.zoom(STEP),
      '=': () => this.zoom(STEP),
      '-': () => this.zoom(1 / STEP),
      0: () => this.fit(),
      ArrowLeft: () => this.#pan(far, 0),
      ArrowRight: () => this.#pan(-far, 0),
      ArrowUp: () => this.#pan(0, far),
      ArrowDown: () => this.#pan(0, -far),
    };
    const action = actions[event.key];
    if (!action || !this.#picture || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  }
}
