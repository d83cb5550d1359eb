// What all figures by Plotly share: its script, and the page's colours.

export const CONFIG = { responsive: true, displayModeBar: false, displaylogo: false, doubleClick: "reset" };

let loading = null;

// Resolves when Plotly is there; its 5 MB must not hold up the rest of the page.
export function loadPlotly(address) {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("Plotly could not be loaded")));
    document.head.append(script);
  });
  return loading;
}

export function axis(colours) {
  return {
    gridcolor: colours.line,
    linecolor: colours.line,
    zeroline: false,
    fixedrange: false,
    automargin: false,
  };
}

export function look(target, colours) {
  return {
    uirevision: "kept",
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: getComputedStyle(target).fontFamily, size: 12.5, color: colours.quiet },
    hoverlabel: { bgcolor: colours.card, bordercolor: colours.line, font: { color: colours.ink } },
  };
}

export function coloursOf(target) {
  const style = getComputedStyle(target);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    accent: colour("accent"),
    busy: colour("busy"),
    card: colour("card"),
    good: colour("good"),
    ink: colour("ink"),
    line: colour("line"),
    parent: colour("parent"),
    point: colour("point"),
    quiet: colour("quiet"),
  };
}
