// Calls a region's node with code that is generated from the contract by `buf generate`, over Connect for Node.js.
//
//     npm ci
//     PATH="$PWD/node_modules/.bin:$PATH"
//     buf generate PROTOS && buf generate ../nodejs --path ../nodejs/errors.proto
//     tsc
//     node built/client.js NUMBER
//
// PROTOS is the folder `protos` of this project. The environment names the caller and the node, as for `region-node`.
// The program prints one line of JSON for each step. docs/integrating.md explains the steps.

import { createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "./generated/errors_pb.js";
import { ComplaintChannel, ComplaintStateSchema, Remedy } from "./generated/gateway/api/region/v1/complaint_pb.js";
import { ComplaintService } from "./generated/gateway/api/region/v1/complaint_service_pb.js";
import { type Order, OrderStateSchema } from "./generated/gateway/api/region/v1/order_pb.js";
import { OrderService, type SubmitOrderRequestSchema } from "./generated/gateway/api/region/v1/order_service_pb.js";
import { Applicant, Channel } from "./generated/gateway/api/types/v1/types_pb.js";

const MILLISECONDS = 15_000; // for one call: more than it may wait for the home region
const TRIES = 5;
const WAIT = durationFromMs(5_000); // for the home region's decision
const NOBODY_ANSWERED = [Code.Unavailable, Code.DeadlineExceeded, Code.Internal];
const KEY = randomBytes(32); // a real client reads it from its region's store of secrets: it never changes
const REQUESTER = { staffId: "me", channel: Channel.COUNTER }; // the caller, on every request about a person

type Submission = MessageInitShape<typeof SubmitOrderRequestSchema>;

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

// The region's node, which proves the region's name and not that of its address.
function dial(): Transport {
  const [ca, key, cert] = ["authority.crt", "tls.key", "tls.crt"].map((name) =>
    readFileSync(path.join(variable("CROSSREGION_CREDENTIALS"), name)),
  ) as [Buffer, Buffer, Buffer];
  const servername = `${variable("CROSSREGION_REGION")}.region.${variable("CROSSREGION_FEDERATION")}`;
  return createGrpcTransport({
    baseUrl: `https://${variable("CROSSREGION_NODE")}`,
    nodeOptions: { ca, key, cert, servername },
    defaultTimeoutMs: MILLISECONDS,
  });
}

// The response. A call without one is sent again unchanged, which its request id makes safe.
async function ask<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!NOBODY_ANSWERED.includes(ConnectError.from(error).code) || attempt === TRIES) throw error;
    }
    await pause((100 + Math.random() * 100) * 2 ** attempt);
  }
}

// The reason of a refusal, for programs: that of the contract without its prefix; empty for other errors.
function reason(error: ConnectError): string {
  for (const detail of error.details) {
    if ("type" in detail && detail.type === "google.rpc.ErrorInfo") {
      return fromBinary(ErrorInfoSchema, detail.value).reason;
    }
  }
  return "";
}

// The name of a gRPC status, as the contract has it.
function status(error: ConnectError): string {
  return Code[error.code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

// A paper that a member of staff has just verified. `key`: 32 random bytes that all systems of a region share.
function seen(code: string, numberOfPaper: string, key: Buffer) {
  const identifies = `${code}\n${numberOfPaper.replace(/[\s-]/g, "").toUpperCase()}`;
  return {
    code,
    verifier: REQUESTER.staffId,
    verifyTime: timestampFromMs(Date.now()),
    keyedHash: new Uint8Array(createHmac("sha256", key).update(identifies, "utf8").digest()),
  };
}

// Suspends a line in sixty days.
function suspension(number: string, run: string, why: string): Submission {
  return {
    requestId: `${run}-suspend`, // stored before it is sent, so that it can be sent again after a crash
    wait: WAIT,
    order: {
      business: "SUSPEND",
      number,
      applicant: Applicant.HOLDER,
      documents: [PAPER],
      characteristics: { reason: why, start: START },
      requester: REQUESTER,
    },
  };
}

const PAPER = seen("ID_ORIG", "110105 19491231 002x", KEY);
const START = new Date(Date.now() + 60 * 24 * 3600 * 1000).toISOString();

function state(order: Order | undefined): string {
  return OrderStateSchema.value[order?.state ?? 0]?.name ?? "";
}

// Orders, twice with one request id, follows the order, and cancels it.
async function orderAndCancel(orders: Client<typeof OrderService>, number: string, run: string): Promise<void> {
  const watch = new AbortController();
  // A watch has no deadline. Its last token, kept, resumes it after a drop.
  const changes = orders.watchOrders({ requester: REQUESTER }, { signal: watch.signal, timeoutMs: 0 });
  const told = changes[Symbol.asyncIterator]();
  await told.next(); // a token alone: every change from now on is told
  const request = suspension(number, run, "abroad");
  const { order } = await ask(() => orders.submitOrder(request));
  tell("submitted", { order: order?.id, state: state(order) });
  const { order: again } = await ask(() => orders.submitOrder(request));
  tell("submitted again", { order: again?.id, state: state(again) });
  try {
    await ask(() => orders.submitOrder(suspension(number, run, "ill")));
  } catch (error) {
    const refused = ConnectError.from(error);
    tell("submitted with another content", { status: status(refused), reason: reason(refused) });
  }
  for (let change = await told.next(); !change.done; change = await told.next()) {
    if (change.value.order?.id === order?.id) break;
  }
  tell("watched", { order: order?.id });
  watch.abort();
  const { order: cancelled } = await ask(() =>
    orders.cancelOrder({
      requestId: `${run}-cancel`,
      orderId: order?.id ?? "",
      reason: "changed my mind",
      requester: REQUESTER,
      wait: WAIT,
    }),
  );
  tell("cancelled", { order: cancelled?.id, state: state(cancelled) });
}

// Files a complaint.
async function complain(complaints: Client<typeof ComplaintService>, number: string, run: string): Promise<void> {
  const { complaint } = await ask(() =>
    complaints.fileComplaint({
      requestId: `${run}-complaint`,
      complaint: {
        category: "BILL_WRONG",
        number,
        description: "I was charged twice for the same call.",
        remedySought: Remedy.REFUND,
        channel: ComplaintChannel.COUNTER,
        requester: REQUESTER,
      },
    }),
  );
  const { name: state } = ComplaintStateSchema.value[complaint?.state ?? 0] ?? {};
  tell("complained", { ticket_id: complaint?.ticketId, state });
}

function tell(did: string, what: Record<string, string | undefined>): void {
  console.log(JSON.stringify({ did, ...what }));
}

const run = randomBytes(4).toString("hex");
const node = dial();
const number = process.argv[2] ?? "";
await orderAndCancel(createClient(OrderService, node), number, run);
await complain(createClient(ComplaintService, node), number, run);
process.exit(); // the connection would keep the process for a while
