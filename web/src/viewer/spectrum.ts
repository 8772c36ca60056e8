// The values of all bands at a place, as a plot by wavelength or by band, and as CSV. Fetched with the first click.
import { type Cell, csvLinks } from "../csv";
import { element } from "../dom";
import { type Naming, ofPoint, type PointAnswer, type PointValues, valueTable } from "../map/values";
import { json, type Params } from "../page";
import { plot } from "../plot";
import type { Info } from "./raster";

/** Bands from which on a plot says more than a table. */
const PLOTTED = 3;

export interface Asked {
  /** Path of the family's routes, as `cog`. */
  readonly base: string;
  readonly longitude: number;
  readonly latitude: number;
  /** What the two are called where they are none. */
  readonly axes?: readonly [string, string];
  /** What names the raster and how its values are read. */
  readonly source: Params;
  /** Band maths, whose value is shown before those of the bands. */
  readonly expression: string;
  readonly info: Info;
  /** Bands that one request may ask for. */
  readonly mostBands: number;
  /** What values are called, once that is known. */
  readonly naming: Promise<Naming>;
}

/** What is shown of a place. */
export async function spectrum(asked: Asked): Promise<Node[]> {
  const [calculated, answers, naming] = await Promise.all([asked.expression ? calculation(asked) : [], ofBands(asked), asked.naming]);
  const lengths = wavelengths(asked.info);
  const [first] = answers;
  if (!first) return [element("p", {}, "Nothing is here.")];
  const known = lengths.length === first.values.length && lengths.every((length) => length != null);
  const x = known ? (lengths as number[]) : first.values.map((_, band) => band + 1);
  const order = x.map((_, band) => band).sort((one, other) => (x[one] ?? 0) - (x[other] ?? 0));
  const even = answers.every(({ values }) => values.length === first.values.length);
  const drawn = even && first.values.length >= PLOTTED;
  const graph =
    drawn &&
    plot({
      label: "Values by band",
      x: order.map((band) => x[band] ?? 0),
      series: answers.map(({ values, name }, index) => ({
        name: name?.split("/").pop() ?? `Raster ${index + 1}`,
        values: order.map((band) => values[band] ?? null),
      })),
      xTitle: known ? "Wavelength in nm" : "Band",
      xText: (index) => bandText(first, order[index] ?? 0) + (known ? `, ${x[order[index] ?? 0]} nm` : ""),
      xTicks: known || first.values.length > 12,
      marks: first.values.length <= 40,
    });
  return [...calculated, ...(graph ? [graph] : []), ...answers.map((answer) => valueTable(answer, naming)), csvLinks(rows(answers, known ? x : null, asked), "values.csv")];
}

async function calculation({ base, longitude, latitude, source, expression }: Asked): Promise<Node[]> {
  const found = await json<PointAnswer>(place(base, longitude, latitude), [...source, ["expression", expression]]);
  return ofPoint(found).map((values) => valueTable({ ...values, band_names: values.band_descriptions ?? values.band_names }));
}

const place = (base: string, longitude: number, latitude: number): string =>
  `${base}/point/${longitude.toFixed(6)},${latitude.toFixed(6)}`;

/** The values of all bands; so many at a time as the server allows. */
async function ofBands({ base, longitude, latitude, source, info, mostBands }: Asked): Promise<readonly PointValues[]> {
  const path = place(base, longitude, latitude);
  if (info.count <= mostBands) return ofPoint(await json<PointAnswer>(path, source));
  const all = Array.from({ length: info.count }, (_, band) => band + 1);
  const parts = Array.from({ length: Math.ceil(all.length / mostBands) }, (_, part) => all.slice(part * mostBands, (part + 1) * mostBands));
  const answers = await Promise.all(
    parts.map((bands) => json<PointValues>(path, [...source, ...bands.map((band) => ["bidx", band] as const)])),
  );
  return [
    {
      values: answers.flatMap(({ values }) => values),
      band_names: answers.flatMap(({ band_names: names }) => names),
      band_descriptions: answers.flatMap(({ band_descriptions: texts }) => texts ?? []),
    },
  ];
}

const bandText = ({ band_names: names, band_descriptions: texts }: PointValues, band: number): string => {
  const [name, text] = [names[band] ?? "", texts?.[band] ?? ""];
  return text && text !== name ? `${name} ${text}` : name;
};

function rows(answers: readonly PointValues[], lengths: readonly number[] | null, { longitude, latitude, axes = ["longitude", "latitude"] }: Asked): Cell[][] {
  const several = answers.length > 1;
  return [
    [...axes, ...(several ? ["raster"] : []), "band", "description", ...(lengths ? ["wavelength_nm"] : []), "value"],
    ...answers.flatMap(({ values, band_names: names, band_descriptions: texts, name }) =>
      values.map((value, band) => [
        longitude.toFixed(6),
        latitude.toFixed(6),
        ...(several ? [name] : []),
        names[band],
        texts?.[band],
        ...(lengths ? [lengths[band]] : []),
        value,
      ]),
    ),
  ];
}

const NANOMETRES: Readonly<Record<string, number>> = { nm: 1, n: 1, um: 1000, µm: 1000, μm: 1000, m: 1000 };

/** Wavelengths of the bands in nanometres, as GDAL's and ENVI's metadata or the names of the bands say them. */
export function wavelengths({ band_metadata: metadata = [], band_descriptions: descriptions }: Info): (number | null)[] {
  return descriptions.map(([, text], band) => {
    const tags = Object.fromEntries(Object.entries(metadata[band]?.[1] ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
    const micrometres = Number(tags["central_wavelength_um"]);
    if (micrometres > 0) return Number((micrometres * 1000).toPrecision(7));
    const unit = (tags["wavelength_units"] ?? tags["wavelength_unit"] ?? "").toLowerCase();
    const tagged = Number(tags["wavelength"] ?? tags["center_wavelength"]);
    // without a unit, only micrometres are below 100
    if (tagged > 0) return Number((tagged * (unit.startsWith("mic") || unit.endsWith("um") || tagged < 100 ? 1000 : 1)).toPrecision(7));
    const said = /([\d.]+)\s*(nm|nano|[uµμ]m|micro)/i.exec(text);
    const factor = NANOMETRES[said?.[2]?.toLowerCase().replace("nano", "n").replace("micro", "m") ?? ""];
    return said && factor ? Number((Number(said[1]) * factor).toPrecision(7)) : null;
  });
}
