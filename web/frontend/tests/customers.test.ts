/** The pure parts of the customers' screens. */
import { describe, expect, it } from "vitest";

import type { Customer, CustomField } from "@/api/customers";
import {
  changedOnly,
  changeOf,
  codeFor,
  conflictsOf,
  editable,
  emptyForm,
  faultyFields,
  formOf,
  guessesNumbers,
  laidOver,
  mappingFault,
  mergePreview,
  moved,
  quickMoments,
  startingMapping,
  visibleFields,
  wrongIn,
} from "@/lib/customers";

const CUSTOMER: Customer = {
  customer_id: "7",
  version: 3,
  kind: "person",
  name: "欧阳晓明",
  company: "",
  level: "A",
  language: null,
  priority: 0,
  tags: ["old"],
  owner_agent_id: null,
  source: "",
  numbers: [{ number_id: 1, number: "+86138****5678", label: "mobile" }],
  email: "",
  address: "",
  fields: { car: "SUV" },
  blacklist: null,
  notes_pinned: "",
  created_at: 1,
  updated_at: 2,
  merged: [],
};
const field = (code: string, more: Partial<CustomField> = {}): CustomField => ({
  code,
  title: { "zh-CN": "车", en: code },
  type: "text",
  choices: [],
  required: false,
  visible_to: [],
  editable_by: [],
  position: 0,
  ...more,
});

describe("what is sent", () => {
  const kept = formOf(CUSTOMER);

  it("is only what differs from what is kept", () => {
    const typed = { name: "欧阳晓明", level: "B", "field:car": "SUV", email: "" };
    expect(changedOnly(kept, typed)).toEqual({ level: "B" });
  });

  it("names kept numbers by their id, never by their masked digits, and leaves empty ones out", () => {
    const numbers = [
      ...kept.numbers,
      { number_id: null, number: " 021 6123 4567 ", label: "work" },
      { number_id: null, number: "", label: "" },
    ];
    expect(changeOf({ numbers })).toEqual({
      numbers: [
        { number_id: 1, label: "mobile" },
        { number: "021 6123 4567", label: "work" },
      ],
    });
  });

  it("puts custom fields together, an emptied one as null", () => {
    expect(changeOf({ "field:car": null, "field:vin": "X", name: " 王 " })).toEqual({
      fields: { car: null, vin: "X" },
      name: "王",
    });
  });

  it("lays what is typed over what is kept without touching it", () => {
    const form = laidOver(kept, { name: "new", "field:vin": "X" });
    expect(form.name).toBe("new");
    expect(form.fields).toEqual({ car: "SUV", vin: "X" });
    expect(kept.fields).toEqual({ car: "SUV" });
  });
});

describe("two people change the same customer", () => {
  const now = formOf({ ...CUSTOMER, level: "VIP", email: "a@b.cn", version: 4 });

  it("shows both values where both changed the same thing", () => {
    expect(conflictsOf({ level: "A" }, now, { level: "B" })).toEqual([
      { key: "level", mine: "B", theirs: "VIP" },
    ]);
  });

  it("is no conflict where the other changed something else, or the same", () => {
    expect(conflictsOf({ name: "欧阳晓明" }, now, { name: "欧阳" })).toEqual([]);
    expect(conflictsOf({ level: "A" }, now, { level: "VIP" })).toEqual([]);
  });
});

describe("what stands against saving", () => {
  it("names what is missing and what cannot be read", () => {
    const fields = [field("car", { required: true }), field("tel", { type: "phone" })];
    const form = laidOver(emptyForm(), {
      email: "nobody",
      "field:tel": "abc",
      numbers: [{ number_id: null, number: "call me", label: "" }],
    });
    expect(wrongIn(form, fields, null)).toEqual({
      name: "needed",
      email: "no_email",
      numbers: "no_phone",
      "field:car": "needed",
      "field:tel": "no_phone",
    });
  });

  it("holds no change up for an old gap elsewhere", () => {
    const fields = [field("vin", { required: true })];
    expect(wrongIn(formOf(CUSTOMER), fields, { level: "B" })).toEqual({});
  });

  it("takes only choices of the list", () => {
    const fields = [field("car", { type: "choice", choices: ["truck"] })];
    expect(wrongIn(formOf(CUSTOMER), fields, null)).toEqual({ "field:car": "no_choice" });
  });
});

describe("custom fields", () => {
  it("are seen and changed by their roles, in their order", () => {
    const fields = [field("b", { position: 1 }), field("a"), field("secret", { visible_to: ["admin"] })];
    expect(visibleFields(fields, ["agent"]).map((each) => each.code)).toEqual(["a", "b"]);
    expect(editable(field("a", { editable_by: ["leader"] }), ["agent"])).toBe(false);
    expect(editable(field("a", { editable_by: ["leader"] }), ["agent", "leader"])).toBe(true);
  });

  it("get codes of their own, also without an English letter", () => {
    expect(codeFor({ en: "Contract No." }, [])).toBe("contract_no");
    expect(codeFor({ en: "Contract no" }, ["contract_no"])).toBe("contract_no_2");
    expect(codeFor({ en: "合同" }, [])).toBe("field");
    expect(codeFor({ en: "2nd car" }, [])).toBe("f_2nd_car");
  });

  it("are moved with their positions counted anew", () => {
    const order = moved([field("a"), field("b", { position: 1 }), field("c", { position: 2 })], 2, 0);
    expect(order.map((each) => [each.code, each.position])).toEqual([["c", 0], ["a", 1], ["b", 2]]);
  });

  it("need both titles, and choices where one chooses", () => {
    const nameless = field("a", { title: { "zh-CN": "车", en: " " } });
    expect(faultyFields([nameless, field("b", { type: "multi" }), field("c")])).toEqual({
      0: "no_title",
      1: "no_choices",
    });
  });
});

describe("call-backs", () => {
  it("offer an hour on five-minute steps, and days at ten", () => {
    const moments = quickMoments(new Date(2026, 10, 22, 14, 3, 20));
    expect(moments.map((each) => new Date(each.at * 1000))).toEqual([
      new Date(2026, 10, 22, 15, 5),
      new Date(2026, 10, 23, 10, 0),
      new Date(2026, 10, 29, 10, 0),
    ]);
  });
});

describe("search", () => {
  it("knows digits that only guess numbers from names and whole numbers", () => {
    expect(guessesNumbers("5678")).toBe(true);
    expect(guessesNumbers("王 5678")).toBe(true);
    expect(guessesNumbers("1380013")).toBe(false);
    expect(guessesNumbers("zhang3")).toBe(false);
  });
});

describe("import", () => {
  const targets = ["name", "number", "field:car"];

  it("takes what a column meant last time before what is suggested, each target once", () => {
    const mapping = startingMapping(
      ["姓名", "手机", "车", "电话"],
      { 姓名: "name", 手机: "number", 车: null, 电话: "number" },
      { 车: "field:car", 手机: null },
      targets,
    );
    expect(mapping).toEqual({ 姓名: "name", 手机: null, 车: "field:car", 电话: "number" });
  });

  it("forgets targets that are gone", () => {
    expect(startingMapping(["x"], {}, { x: "field:gone" }, targets)).toEqual({ x: null });
  });

  it("does not start without a name or number, or with two columns for one thing", () => {
    expect(mappingFault({ a: "number" })).toBe("no_name");
    expect(mappingFault({ a: "name", b: "name" })).toBe("twice");
    expect(mappingFault({ a: "company", b: null })).toBeNull();
  });
});

describe("merging", () => {
  it("moves what is empty here and what is new in lists, nothing else", () => {
    const other = { ...CUSTOMER, customer_id: "8", level: "B", email: "x@y.cn", tags: ["old", "new"] };
    const lines = mergePreview(CUSTOMER, other);
    expect(lines.filter((line) => line.moves).map((line) => line.key)).toEqual(["email", "tags"]);
    expect(lines.find((line) => line.key === "level")).toMatchObject({ into: "A", from: "B" });
  });
});
