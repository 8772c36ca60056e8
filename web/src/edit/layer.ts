// A layer of the catalog: another name, another place in lists, or its end.
import { type Filled, openDialog } from "./dialog";
import { change, type Known, read, remove } from "./requests";

export interface Layers {
  readonly id: string;
  readonly name: string;
  /** The first layer of the list. */
  readonly first: string | undefined;
  /** Called when the list is another than before; `stays` is false where the layer is no longer in it. */
  changed(stays: boolean): void;
}

/** Opens the dialog. */
export function editLayer({ id, name, first, changed }: Layers): void {
  let known: Known | null = null;
  const tag = async (): Promise<string> => (known ??= await read(id)).tag;
  const load = async (): Promise<Filled> => {
    known = await read(id);
    const { document } = known;
    return { name: document.name ?? "", order: document.order == null ? "" : String(document.order) };
  };
  const patch = async (given: object): Promise<string> => {
    await change(id, await tag(), given);
    changed(true);
    return "Saved.";
  };
  openDialog({
    title: `The layer ${id}`,
    fields: [
      { name: "name", label: "Name", value: name },
      {
        name: "order",
        label: "Place in lists",
        type: "number",
        hint: "A number: the least is first. Layers without one follow, by their ids.",
      },
    ],
    load,
    actions: [
      {
        label: "Save",
        primary: true,
        takesFields: true,
        run: (filled) => patch({ name: filled["name"] || null, order: filled["order"] ? Number(filled["order"]) : null }),
      },
      {
        label: "Put it first",
        run: async () => {
          const before = first === undefined || first === id ? null : (await read(first)).document.order;
          return patch({ order: before == null ? 0 : before - 1 });
        },
      },
      {
        label: "Remove",
        question: `Remove the layer ${id}, with its files in the catalog?`,
        run: async () => {
          await remove(id, await tag());
          changed(false);
          return "Removed.";
        },
      },
    ],
  });
}
