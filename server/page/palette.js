// The colours that the server's own overlays give to classes: the same for a label everywhere.

const SECTOR = 256;
const CIRCLE = 6 * SECTOR;
const GOLDEN_STEP = 949; // CIRCLE / 1.618: neighbours lie far apart
const VALUES = [255, 205, 160];
const SATURATIONS = [220, 150]; // of 256

export function paletteColour(label) {
  const hue = (label * GOLDEN_STEP) % CIRCLE;
  const top = VALUES[label % 3];
  const base = Math.floor((top * (256 - SATURATIONS[Math.floor(label / 3) % 2])) / 256);
  const step = Math.floor(((top - base) * (hue % SECTOR)) / SECTOR);
  const rising = base + step;
  const falling = top - step;
  const [red, green, blue] = [
    [top, rising, base], [falling, top, base], [base, top, rising],
    [base, falling, top], [rising, base, top], [top, base, falling],
  ][Math.floor(hue / SECTOR)];
  const light = (299 * red + 587 * green + 114 * blue) / 1000;
  return { css: `rgb(${red} ${green} ${blue})`, text: light >= 128 ? '#000' : '#fff' };
}
