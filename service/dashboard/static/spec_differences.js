// Where plain data differs, field by field. What is null or empty is as good as absent.

// `specs`: two or more. Rows of a field's path and its value in each spec; names are left out.
export function differences(specs) {
  const flat = specs.map((spec) => new Map(leaves(spec, "")));
  const paths = [...new Set(flat.flatMap((one) => [...one.keys()]))];
  return paths
    .filter((path) => path !== "name" && new Set(flat.map((one) => one.get(path))).size > 1)
    .map((path) => [path, ...flat.map((one) => one.get(path) ?? "–")]);
}

function* leaves(value, path) {
  const nested = value !== null && typeof value === "object";
  if (!nested && value !== null) yield [path, String(value)];
  if (nested) for (const [key, inner] of Object.entries(value)) yield* leaves(inner, path ? `${path}.${key}` : key);
}
