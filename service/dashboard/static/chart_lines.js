// What the fitness chart is read against: a dashed line a parent, and where stages begin.

import { percent } from "./format.js";

const LABEL_PIXELS = 15;

// Drawn as traces rather than shapes, so that they answer to the pointer. Their ends lie far
// outside any range that can be zoomed to.
export function parentLines(parents, colours) {
  return parents.map(({ label, fitness }, index) => ({
    name: "Parent",
    legendgroup: "parents",
    showlegend: index === 0,
    meta: { parent: label },
    type: "scatter",
    mode: "lines",
    x: [-1e7, 1e7],
    y: [fitness, fitness],
    line: { dash: "dash", width: 1.25, color: colours.parent },
    hoverinfo: "skip",
  }));
}

export function parentLabels(parents, [low, high], pixels, narrow, colours) {
  const perPixel = (high - low) / Math.max(pixels, 1);
  let lowest = Infinity;
  return parents.map(({ label, fitness }) => {
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
      font: { color: colours.parent, size: 12 },
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

export function rightMargin(parents) {
  const longest = Math.max(0, ...parents.map(({ label }) => short(label).length));
  return parents.length ? 64 + 7 * longest : 12;
}

function short(text) {
  return text.length > 14 ? `${text.slice(0, 13)}…` : text;
}
