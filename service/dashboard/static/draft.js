// A search spec as the form holds it: what the form has no field for stays as it was.

export const EMPTY = {
  name: "my-search",
  seed: 0,
  models: {},
  tasks: [],
  stages: [{ name: "search", space: { kind: "parameter", parents: [] }, budget: { trials: 200 } }],
};

// `fields`: {name, seed, models: [refs], tasks: [names], items, kind, method, base, groups,
// sampler, trials}. Returns a spec for the API.
export function withFields(spec, fields) {
  const aliases = aliasesOf(spec.models, fields.models);
  const refs = Object.fromEntries([...aliases].map(([ref, alias]) => [alias, spec.models[alias] ?? { ref }]));
  const [stage, ...later] = spec.stages;
  const changed = {
    ...spec,
    name: fields.name,
    seed: fields.seed,
    models: refs,
    tasks: fields.tasks.map((task) => spec.tasks.find((entry) => entry.task === task) ?? { task }),
    stages: [{ ...stage, space: spaceOf(stage.space, fields, aliases), budget: { ...stage.budget, trials: fields.trials } }, ...later],
  };
  if (fields.items === null) delete changed.items;
  else changed.items = fields.items;
  if (fields.sampler === "") delete changed.stages[0].sampler;
  else if (stage.sampler?.kind !== fields.sampler) changed.stages[0].sampler = { kind: fields.sampler };
  return changed;
}

// The fields of a spec, the inverse.
export function fieldsOf(spec) {
  const [{ space, sampler, budget }] = spec.stages;
  return {
    name: spec.name,
    seed: spec.seed ?? 0,
    models: Object.values(spec.models).map(({ ref }) => ref),
    tasks: spec.tasks.map(({ task }) => task),
    items: spec.items ?? null,
    kind: space.kind,
    method: one(space.method) ?? "task_arithmetic",
    base: spec.models[one(space.base)]?.ref ?? "",
    groups: Number.isInteger(space.layer_groups) ? space.layer_groups : 4,
    sampler: sampler?.kind ?? "",
    trials: budget.trials ?? 200,
  };
}

const one = (value) => (Array.isArray(value) ? value[0] : value);

function spaceOf(space, { kind, method, base, groups }, aliases) {
  const baseAlias = aliases.get(base);
  const all = [...aliases.values()];
  const kept = space.kind === kind ? { ...space } : { kind };
  if (kind === "dataflow") return { ...kept, parents: all };
  const merged = { ...kept, method: kept.method?.length > 1 && Array.isArray(kept.method) ? kept.method : method, parents: all.filter((alias) => alias !== baseAlias) };
  if (!Array.isArray(kept.layer_groups)) merged.layer_groups = groups;
  if (one(kept.method) !== method) delete merged.parameters;
  if (one(kept.method) !== method) merged.method = method;
  if (baseAlias) merged.base = baseAlias;
  else delete merged.base;
  return merged;
}

// A short name for every reference: those that the spec has, else the last part of the path.
function aliasesOf(models, refs) {
  const known = new Map(Object.entries(models).map(([alias, { ref }]) => [ref, alias]));
  const aliases = new Map();
  for (const ref of refs) {
    const plain = known.get(ref) ?? ref.replace(/@.*$/, "").split("/").at(-1).toLowerCase().replace(/[^a-z0-9_]+/g, "_");
    let alias = /^[a-z]/.test(plain) ? plain : `m_${plain}`;
    for (let more = 2; [...aliases.values()].includes(alias); more += 1) alias = `${plain}_${more}`;
    aliases.set(ref, alias);
  }
  return aliases;
}
