// The best fitness so far of several jobs in one chart.

import { axis, coloursOf, CONFIG, look } from "./plot.js";

const DASHES = ["solid", "dash", "dot", "dashdot"];

// `found`: {job, glance} each. Colour and dash both tell the jobs apart.
export function drawCourses(plotly, target, found) {
  const colours = coloursOf(target);
  const palette = [colours.accent, colours.parent, colours.good, colours.busy];
  const traces = found.map(({ job, glance: { course } }, at) => {
    const trials = job.trials_finished + job.trials_failed;
    return {
      name: `${job.name} ${job.id.slice(0, 4)}`,
      type: "scatter",
      mode: "lines",
      x: course.map((_best, place) => (trials - 1) * (course.length > 1 ? place / (course.length - 1) : 1)),
      y: course,
      line: { shape: "hv", width: 2.25, color: palette[at % palette.length], dash: DASHES[(at + Math.floor(at / palette.length)) % DASHES.length] },
      hovertemplate: "%{y:.1%} about trial %{x:.0f}",
    };
  });
  plotly.react(
    target,
    traces,
    {
      ...look(target, colours),
      margin: { l: 62, r: 16, t: 34, b: 46 },
      showlegend: true,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      xaxis: { ...axis(colours), title: { text: "Trial", standoff: 8, font: { size: 13 } }, rangemode: "tozero" },
      yaxis: { ...axis(colours), title: { text: "Best fitness so far", standoff: 10, font: { size: 13 } }, tickformat: ".0%" },
    },
    CONFIG,
  );
}
