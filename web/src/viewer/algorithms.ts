// Algorithms and their parameters.
import { by, element } from "../dom";
import { json } from "../page";
import type { Parameters } from "./choice";

interface Schema {
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly title?: string;
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
}

export interface Algorithm {
  readonly title: string;
  readonly description?: string;
  readonly inputs: { readonly nbands: number | null };
  readonly outputs: {
    readonly nbands: number | null;
    readonly dtype: string | null;
    readonly min: readonly number[] | null;
    readonly max: readonly number[] | null;
  };
  readonly parameters: Readonly<Record<string, Schema>>;
}

const known = new Map<string, Promise<Algorithm>>();

export function algorithm(name: string): Promise<Algorithm> {
  const found = known.get(name) ?? json<Algorithm>(`algorithms/${encodeURIComponent(name)}`);
  known.set(name, found);
  return found;
}

export async function fillAlgorithms(chosen: string): Promise<void> {
  const { algorithms } = await json<{ algorithms: { id: string }[] }>("algorithms");
  const select = by<HTMLSelectElement>("algorithm");
  select.append(...algorithms.map(({ id }) => element("option", { value: id }, id)));
  select.value = chosen;
}

/** How many pixels beyond a tile's edge the algorithm looks at. */
export const bufferOf = ({ parameters }: Algorithm, given: Parameters): string =>
  given["buffer"] ?? String(parameters["buffer"]?.default ?? "");

/** True for algorithms of slopes, which show the lattice of pixels where the nearest one is taken. */
export const wantsSmooth = (found: Algorithm | null): boolean => found !== null && "buffer" in found.parameters;

/** Fields for the parameters of an algorithm; what is at its default is not asked for. */
export function fillParameters(found: Algorithm | null, given: Parameters, changed: (next: Parameters) => void): void {
  const fields = Object.entries(found?.parameters ?? {}).map(([name, schema]) => {
    const { minimum, maximum, type } = schema.anyOf?.[0] ?? schema;
    const number = type === "integer" || type === "number";
    const usual = schema.default == null ? "" : String(schema.default);
    const input = element("input", {
      type: number ? "number" : "text",
      value: given[name] ?? usual,
      ...(number ? { step: type === "integer" ? "1" : "any" } : {}),
      ...(minimum == null ? {} : { min: String(minimum) }),
      ...(maximum == null ? {} : { max: String(maximum) }),
    });
    input.addEventListener("change", () => {
      if (!input.reportValidity()) return;
      const { [name]: _, ...others } = given;
      given = input.value === usual || input.value === "" ? others : { ...others, [name]: input.value };
      changed(given);
    });
    return element("div", { className: "field" }, element("label", {}, schema.title ?? name, input));
  });
  by("algorithm-parameters").replaceChildren(...fields);
}
