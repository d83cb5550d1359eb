// Fitness is the mean accuracy over a job's tasks, by the weights of its spec.

export function fitnessOf(scores, tasks) {
  const weights = new Map(tasks.map(({ task, weight }) => [task, weight]));
  let sum = 0;
  let total = 0;
  for (const { task, accuracy } of scores) {
    sum += weights.get(task) * accuracy;
    total += weights.get(task);
  }
  return sum / total;
}

// The evaluation of the highest fitness among those that were scored, or null.
export function bestOf(evaluations, tasks) {
  let best = null;
  for (const evaluation of evaluations) {
    if (evaluation.scores.length === 0) continue;
    const fitness = fitnessOf(evaluation.scores, tasks);
    if (best === null || fitness > best.fitness) best = { evaluation, fitness };
  }
  return best;
}

// Whether a trial's fitness is no more than an estimate, from some of the items.
export const isEstimate = ({ state }) => state === "stopped" || state === "estimated";
