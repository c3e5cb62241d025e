/** The stand-in's customers: a handful, changed in memory as the screens ask. */
import type {
  Appointment,
  Contact,
  CustomField,
  Customer,
  CustomerChange,
  CustomerLine,
  ImportProgress,
  Pop,
} from "../src/api/customers";

type Answer = [number, unknown];
type Body = Record<string, unknown>;

const now = (): number => Date.now() / 1000;
let counter = 100;

function customer(id: string, name: string, more: Partial<Customer> = {}): Customer {
  return {
    customer_id: id,
    version: 1,
    kind: "person",
    name,
    company: "",
    level: "",
    language: "zh-CN",
    priority: 0,
    tags: [],
    owner_agent_id: null,
    source: "",
    numbers: [{ number_id: ++counter, number: "+86138****5678", label: "" }],
    email: "",
    address: "",
    fields: {},
    blacklist: null,
    notes_pinned: "",
    created_at: now() - 9e6,
    updated_at: now() - 3e5,
    merged: [],
    ...more,
  };
}

const NAMES = ["王芳", "李强", "张伟", "刘洋", "陈静", "杨帆", "赵敏", "黄磊", "周杰", "吴桐", "徐丽", "孙浩"];
const customers = new Map<string, Customer>(
  [
    customer("c1", "欧阳晓明", {
      level: "VIP",
      company: "上海云帆科技有限公司",
      tags: ["老客户", "退款"],
      owner_agent_id: "1002",
      notes_pinned: "只在下午联系；称呼“欧阳老师”。",
      numbers: [
        { number_id: 1, number: "+86138****5678", label: "手机" },
        { number_id: 2, number: "+8621****4567", label: "公司" },
      ],
      fields: { contract: "HT-20931", car: "SUV" },
    }),
    customer("c2", "欧阳小明", { level: "B", tags: ["试用"] }),
    customer("c3", "Alexandra Montgomery-Featherstonehaugh", {
      company: "Northern Lights Trading",
      language: "en",
      blacklist: { reason: "骚扰电话", until: now() + 9e5, by: "陈班长", at: now() - 4e5 },
    }),
    ...NAMES.map((name, index) =>
      customer(`n${index}`, name, { level: ["A", "B", "C", ""][index % 4] ?? "", tags: index % 3 === 0 ? ["新客户"] : [] }),
    ),
  ].map((each) => [each.customer_id, each]),
);

let fields: CustomField[] = [
  { code: "contract", title: { "zh-CN": "合同号", en: "Contract number" }, type: "text", choices: [], required: true, visible_to: [], editable_by: [], position: 0 },
  { code: "birthday", title: { "zh-CN": "生日", en: "Birthday" }, type: "date", choices: [], required: false, visible_to: [], editable_by: [], position: 1 },
  { code: "car", title: { "zh-CN": "车型", en: "Car" }, type: "choice", choices: ["轿车", "SUV", "卡车"], required: false, visible_to: [], editable_by: [], position: 2 },
  { code: "seats", title: { "zh-CN": "座位数", en: "Seats" }, type: "number", choices: [], required: false, visible_to: [], editable_by: ["leader"], position: 3 },
  { code: "interests", title: { "zh-CN": "兴趣", en: "Interests" }, type: "multi", choices: ["保养", "保险", "换购"], required: false, visible_to: [], editable_by: [], position: 4 },
];

const appointments: Appointment[] = [
  { appointment_id: "a1", customer_id: "c1", due_at: now() - 1800, text: "确认退款是否到账", agent_id: "1001", done_at: null, customer_name: "欧阳晓明" },
  { appointment_id: "a2", customer_id: "n0", due_at: now() + 5400, text: "Send the new price list and call again", agent_id: "1001", done_at: null, customer_name: "王芳" },
  { appointment_id: "a3", customer_id: "n3", due_at: now() + 90000, text: "", agent_id: "1001", done_at: null, customer_name: "刘洋" },
];

const notes = new Map<string, Contact[]>();

function timeline(id: string): Contact[] {
  const call = (days: number, more: object): Contact => ({
    kind: "call",
    at: now() - days * 86400,
    call_id: `x-${days}`,
    direction: "inbound",
    queue: "support",
    agent_id: "1002",
    outcome: "answered",
    talk_seconds: 214,
    disposition: "follow_up",
    notes: null,
    ...more,
  });
  const open = appointments
    .filter((each) => each.customer_id === id)
    .map((each): Contact => ({ kind: "appointment", at: each.due_at - 9000, ...each }));
  return [
    ...(notes.get(id) ?? []),
    ...open,
    call(1, { notes: "客户反映上月账单重复扣费 68 元。已核实，三个工作日内退款；周五前回电确认。" }),
    call(3, { outcome: "abandoned", talk_seconds: 0, disposition: null, agent_id: null }),
    { kind: "note", at: now() - 4 * 86400, note_id: "x", text: "新地址：浦东新区张江路 100 号", by: "李强", call_id: null },
    call(9, { queue: "sales", direction: "outbound", disposition: "resolved" }),
    { kind: "change", at: now() - 90 * 86400, by: "陈班长", what: "imported", facts: {} },
  ];
}

function lineOf(each: Customer): CustomerLine {
  return { ...each, blocked: each.blacklist !== null, numbers: each.numbers.slice(0, 3) };
}

function popOf(callId: string): Pop {
  const chosen = choices.get(callId) ?? null;
  const ids = scene === "several" ? ["c1", "c2"] : scene === "unknown" ? [] : ["c1"];
  const all = chosen === null || ids.includes(chosen) ? ids : [chosen, ...ids];
  return {
    call_id: callId,
    number: "+86138****5678",
    chosen,
    matches: all.flatMap((id) => {
      const each = customers.get(id);
      if (!each) return [];
      const open_appointments = appointments.filter((item) => item.customer_id === id && item.done_at === null);
      return [{ ...each, last_contacts: timeline(id).slice(0, 5), open_appointments }];
    }),
  };
}

const choices = new Map<string, string>();
/** one, several, unknown or failed: what the next card says. */
let scene = "one";
let import_: ImportProgress | null = null;

export function setCards(wanted: string): void {
  scene = wanted;
  choices.clear();
}

function apply(each: Customer, change: CustomerChange): Customer {
  const { numbers, fields: values, ...plain } = change;
  const next: Customer = { ...each, ...plain, version: each.version + 1, updated_at: now() };
  next.fields = { ...each.fields, ...values };
  if (numbers) {
    next.numbers = numbers.map((given) => {
      if ("number" in given) return { number_id: ++counter, ...given };
      const known = each.numbers.find((number) => number.number_id === given.number_id);
      return { number_id: given.number_id, number: known?.number ?? "", label: given.label };
    });
  }
  customers.set(next.customer_id, next);
  return next;
}

const problem = (status: number, code: string, title: string, more: object = {}): Answer => [
  status,
  { status, code, title, ...more },
];

function ofOne(method: string, id: string, rest: string, body: Body): Answer {
  const each = customers.get(id);
  if (!each) return problem(404, "unknown_customer", "没有该客户");
  switch (`${method} ${rest}`) {
    case "GET ":
      return [200, each];
    case "PATCH ": {
      const { version, ...change } = body;
      if (version !== each.version) return problem(409, "customer_changed", "客户资料已被修改", { customer: each });
      return [200, apply(each, change as CustomerChange)];
    }
    case "DELETE ":
      return [204, undefined];
    case "POST restore":
    case "POST unmerge":
    case "POST merge":
      return [200, apply(each, {})];
    case "GET timeline":
      return [200, { items: timeline(id), next: null }];
    case "POST notes":
      notes.set(id, [{ kind: "note", at: now(), note_id: "n", text: String(body.text), by: "王芳", call_id: null }, ...(notes.get(id) ?? [])]);
      return [200, {}];
    case "POST appointments": {
      const made = { appointment_id: `a${++counter}`, customer_id: id, agent_id: "1001", done_at: null, customer_name: each.name, due_at: Number(body.due_at), text: String(body.text) };
      appointments.push(made);
      return [201, made];
    }
    case "PUT blacklist":
      customers.set(id, { ...each, blacklist: { reason: String(body.reason), until: (body.until as number | null) ?? null, by: "陈班长", at: now() } });
      return [200, {}];
    case "DELETE blacklist":
      customers.set(id, { ...each, blacklist: null });
      return [204, undefined];
    case "GET duplicates":
      return [200, { items: [...customers.values()].filter((other) => other !== each && /^欧阳/.test(other.name)).map((other) => ({ ...lineOf(other), why: "same_number" })) }];
    default:
      return [404, undefined];
  }
}

function list(query: URLSearchParams): Answer {
  const words = query.get("q") ?? "";
  const items = [...customers.values()]
    .filter((each) => each.name.includes(words) || each.company.includes(words))
    .filter((each) => !query.get("level") || each.level === query.get("level"))
    .filter((each) => !query.get("tag") || each.tags.includes(query.get("tag") ?? ""))
    .filter((each) => !query.get("blocked") || (each.blacklist !== null) === (query.get("blocked") === "true"));
  return [200, { items: items.map(lineOf), next: null }];
}

function importStep(): ImportProgress | null {
  if (import_?.state === "running") {
    const read = Math.min(import_.rows, import_.read + 1700);
    import_ = {
      ...import_,
      read,
      created: Math.floor(read * 0.9),
      bad: Math.floor(read * 0.01),
      skipped: read - Math.floor(read * 0.9) - Math.floor(read * 0.01),
      seconds_left: (import_.rows - read) / 1700,
      state: read === import_.rows ? "done" : "running",
    };
  }
  return import_;
}

/** null where it is not about customers. */
export function answer(method: string, path: string, body: Body): Answer | null {
  const [route = "", query = ""] = path.replace("/api/v1", "").split("?");
  const parts = route.split("/").slice(1).map(decodeURIComponent);
  if (route === "/customers" && method === "GET") return list(new URLSearchParams(query));
  if (route === "/customers" && method === "POST") {
    if (body.name === "李强" && !body.allow_shared) return problem(409, "number_taken", "号码已属于其他客户", { customer_id: "c1", name: "欧阳晓明" });
    const made = customer(`c${++counter}`, String(body.name));
    customers.set(made.customer_id, made);
    return [201, apply(made, {})];
  }
  if (parts[0] === "customers" && parts[1]) return ofOne(method, parts[1], parts[2] ?? "", body);
  if (route === "/appointments") return [200, { items: appointments.filter((each) => each.done_at === null) }];
  if (parts[0] === "appointments") {
    const each = appointments.find((item) => item.appointment_id === parts[1]);
    if (each) each.done_at = body.done === true ? now() : null;
    return [200, each];
  }
  if (route === "/customer-fields") {
    if (method === "PUT") fields = body.items as CustomField[];
    return [200, { items: fields.map((field) => ({ ...field, editable: true })) }];
  }
  if (parts[0] === "agent" && parts[1] === "calls" && parts[3] === "customer") {
    const callId = parts[2] ?? "";
    if (scene === "failed") return problem(503, "database_away", "数据库暂时不可用", { action: "请稍后重试。" });
    if (method === "PUT") choices.set(callId, String(body.customer_id));
    return [200, popOf(callId)];
  }
  if (parts[0] !== "customer-imports") return null;
  if (method === "POST" && parts.length === 1) {
    import_ = {
      import_id: "i1",
      name: new URLSearchParams(query).get("name") ?? "",
      state: "uploaded",
      rows: 12400,
      read: 0, created: 0, updated: 0, skipped: 0, bad: 0,
      started_at: null, seconds_left: null, error: "",
      targets: ["name", "company", "kind", "number", "number2", "level", "tags", "note", "field:contract"],
      columns: ["姓名", "手机", "单位", "会员级别", "内部备注"],
      sample: [["王芳", "13800138000", "云帆科技", "A", ""], ["李强", "13900139000", "", "B", "勿扰"]],
      suggested: { 姓名: "name", 手机: "number", 单位: "company", 会员级别: "level", 内部备注: null },
    };
    return [200, import_];
  }
  if (parts[2] === "start" && import_) import_ = { ...import_, state: "running", started_at: now() };
  if (parts[2] === "cancel" && import_) import_ = { ...import_, state: "cancelled" };
  if (parts.length === 1) return [200, { items: import_ ? [import_] : [] }];
  return [200, importStep()];
}
