// What the fitness chart is read against: a dashed line a parent, a dotted one a baseline, and where
// stages begin.

import { percent } from "./format.js";

const LABEL_PIXELS = 15;
const MOST_LETTERS = 20;

// Drawn as traces rather than shapes, so that they answer to the pointer. Their ends lie far
// outside any range that can be zoomed to.
export function referenceLines(references, colours) {
  return references.map(({ kind, label, fitness }, index) => ({
    name: kind,
    legendgroup: kind,
    showlegend: references.findIndex((one) => one.kind === kind) === index,
    meta: { label },
    type: "scatter",
    mode: "lines",
    x: [-1e7, 1e7],
    y: [fitness, fitness],
    line: { dash: kind === "Parent" ? "dash" : "dot", width: 1.25, color: colourOf(kind, colours) },
    hoverinfo: "skip",
  }));
}

const colourOf = (kind, colours) => (kind === "Parent" ? colours.parent : colours.quiet);

export function lineLabels(references, [low, high], pixels, narrow, colours) {
  const perPixel = (high - low) / Math.max(pixels, 1);
  let lowest = Infinity;
  return references.map(({ kind, label, fitness }) => {
    const wanted = fitness / perPixel;
    const placed = Math.min(wanted, lowest - LABEL_PIXELS);
    lowest = placed;
    return {
      xref: "paper",
      x: 1,
      xanchor: narrow ? "right" : "left",
      xshift: narrow ? 0 : 8,
      y: fitness,
      yanchor: narrow ? "bottom" : "middle",
      yshift: placed - wanted,
      showarrow: false,
      text: `${short(label)} ${percent(fitness)}`,
      bgcolor: narrow ? colours.card : undefined,
      opacity: narrow ? 0.85 : 1,
      borderpad: 0,
      font: { color: colourOf(kind, colours), size: 12 },
    };
  });
}

export function stageShapes(stages, colours) {
  return stages.slice(1).map(({ first }) => ({
    type: "line",
    x0: first - 0.5,
    x1: first - 0.5,
    yref: "paper",
    y0: 0,
    y1: 1,
    line: { color: colours.line, width: 1 },
  }));
}

export function stageLabels(stages, colours) {
  if (stages.length < 2) return [];
  return stages.map(({ name, first }) => ({
    x: first - 0.5,
    xanchor: "left",
    xshift: 4,
    yref: "paper",
    y: 0,
    yanchor: "bottom",
    showarrow: false,
    text: short(name),
    font: { color: colours.quiet, size: 11 },
  }));
}

export function rightMargin(references) {
  const longest = Math.max(0, ...references.map(({ label }) => short(label).length));
  return references.length ? 64 + 7 * longest : 12;
}

function short(text) {
  return text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS - 1)}…` : text;
}
