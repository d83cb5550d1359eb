// A spark line: the best fitness so far over the trials, against the best parent.

import { percent } from "./format.js";
import { shape } from "./svg.js";

const WIDTH = 120;
const HEIGHT = 34;
const EDGE = 4;

// `course`: fitness, oldest first; `parent`: a fitness, or null.
export function sparkLine(course, parent) {
  const known = parent === null ? course : [...course, parent];
  const low = Math.min(...known);
  const high = Math.max(...known, low + 0.02);
  const y = (fitness) => (HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * (fitness - low)) / (high - low)).toFixed(1);
  const x = (at) => (EDGE + ((WIDTH - 2 * EDGE) * at) / Math.max(1, course.length - 1)).toFixed(1);
  const drawing = shape("svg", {
    class: "spark",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    width: WIDTH,
    height: HEIGHT,
    role: "img",
    "aria-label": inWords(course, parent),
  });
  if (parent !== null) drawing.append(shape("line", { class: "rival", x1: EDGE, x2: WIDTH - EDGE, y1: y(parent), y2: y(parent) }));
  // A step: the best so far holds until it is beaten.
  const steps = course.map((fitness, at) => (at ? `H${x(at)}V${y(fitness)}` : `M${x(0)} ${y(fitness)}`));
  drawing.append(
    shape("path", { class: "under", d: `${steps.join("")}V${HEIGHT}H${x(0)}Z` }),
    shape("path", { class: "best", d: steps.join("") }),
    shape("circle", { class: "tip", cx: x(course.length - 1), cy: y(course.at(-1)), r: 2.75 }),
  );
  return drawing;
}

function inWords(course, parent) {
  const rival = parent === null ? "" : `; the best parent has ${percent(parent)}`;
  return `Best fitness so far: from ${percent(course[0])} to ${percent(course.at(-1))}${rival}`;
}
