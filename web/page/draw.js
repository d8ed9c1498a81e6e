// Boxes over a picture.

const FIRST = [[37, 99, 235], [234, 88, 12], [22, 163, 74], [192, 38, 211], [202, 138, 4], [8, 145, 178], [220, 38, 38], [101, 63, 214], [101, 163, 13], [219, 39, 119], [15, 118, 110], [146, 64, 14]];

/** Colour of a class by its number, as the program draws it. */
export function colour(at) {
  if (at < FIRST.length) return `rgb(${FIRST[at].join(' ')})`;
  return `hsl(${Math.round(((at * 0.618) % 1) * 360)} 75% 42%)`;
}

/** Draws boxes with their labels; `scale` is how many pixels of the canvas a pixel of the screen takes. */
export function drawBoxes(context, detections, classes, scale) {
  const width = Math.max(1.5, 2 * scale);
  const size = Math.max(9, 12 * scale);
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  // The strongest lie on top.
  for (const { class: name, score, box: [left, top, right, bottom] } of [...detections].reverse()) {
    const own = colour(Math.max(0, classes.indexOf(name)));
    context.lineWidth = width + 2 * scale;
    context.strokeStyle = 'rgb(255 255 255 / 70%)';
    context.strokeRect(left, top, right - left, bottom - top);
    context.lineWidth = width;
    context.strokeStyle = own;
    context.strokeRect(left, top, right - left, bottom - top);
    const text = `${name} ${Math.round(100 * score)}`;
    const height = size * 1.45;
    const wide = context.measureText(text).width + size * 0.7;
    const x = Math.max(0, Math.min(left - width / 2, context.canvas.width - wide));
    const y = top - height >= 0 ? top - height : Math.min(top, context.canvas.height - height);
    context.fillStyle = own;
    context.fillRect(x, y, wide, height);
    context.fillStyle = '#fff';
    context.fillText(text, x + size * 0.35, y + height / 2 + size * 0.05);
  }
}
