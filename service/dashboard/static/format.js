// Numbers and times as people read them.

const percents = new Intl.NumberFormat("en-GB", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const counts = new Intl.NumberFormat("en-GB");
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clocks = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export const percent = (share) => percents.format(share);
export const count = (number) => counts.format(number);
export const moment = (iso) => moments.format(new Date(iso));
export const clock = (iso) => clocks.format(new Date(iso));
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

export const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;

export function points(difference) {
  const rounded = Math.round(difference * 1000) / 10;
  const sign = rounded > 0 ? "+" : rounded < 0 ? "−" : "±";
  return `${sign}${Math.abs(rounded).toFixed(1)}`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 48 * 3600) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

export function roughly(seconds) {
  if (seconds < 60) return "less than a minute";
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}

// How long a job has been at work, in seconds; null before it starts.
export function elapsed(job) {
  if (!job.started_at) return null;
  const end = job.finished_at ? new Date(job.finished_at) : new Date();
  return (end - new Date(job.started_at)) / 1000;
}
