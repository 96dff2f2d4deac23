// Calls a region's node with nothing but the contract, which is read at the start; nothing is generated.
//
//     npm ci
//     PROTOS=../../../protos node client.js NUMBER
//
// PROTOS is the folder `protos` of this project. The environment names the caller and the node, as for `region-node`.
// The program prints one line of JSON for each step. docs/integrating.md explains the steps.
"use strict";

const { createHmac, randomBytes } = require("node:crypto");
const { readFileSync } = require("node:fs");
const path = require("node:path");
const { setTimeout: pause } = require("node:timers/promises");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const MILLISECONDS = 15_000; // for one call: more than it may wait for the home region
const TRIES = 5;
const WAIT = { seconds: 5 }; // for the home region's decision
const NOBODY_ANSWERED = [grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED, grpc.status.INTERNAL];
const KEY = randomBytes(32); // a real client reads it from its region's store of secrets: it never changes
const REQUESTER = { staff_id: "me", channel: "CHANNEL_COUNTER" }; // the caller, on every request about a person

// Names as in the contract; 64-bit integers as text, since a number of JavaScript holds 53 bits.
const READING = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const contract = grpc.loadPackageDefinition(
  loader.loadSync(
    ["order_service.proto", "complaint_service.proto"].map((name) => `gateway/api/region/v1/${name}`),
    { ...READING, includeDirs: [process.env.PROTOS] },
  ),
).gateway.api.region.v1;
const errors = loader.loadSync("errors.proto", { ...READING, includeDirs: [__dirname] });

// A client of one service of the region's node, whose name is the region's and not that of its address.
function dial(Service) {
  const { CROSSREGION_NODE, CROSSREGION_REGION, CROSSREGION_FEDERATION, CROSSREGION_CREDENTIALS } = process.env;
  const [authority, key, certificate] = ["authority.crt", "tls.key", "tls.crt"].map((name) =>
    readFileSync(path.join(CROSSREGION_CREDENTIALS, name)),
  );
  const name = `${CROSSREGION_REGION}.region.${CROSSREGION_FEDERATION}`;
  return new Service(CROSSREGION_NODE, grpc.credentials.createSsl(authority, key, certificate), {
    "grpc.ssl_target_name_override": name,
    "grpc.default_authority": name,
  });
}

// The answer of one call.
function call(client, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + MILLISECONDS);
    client[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// The response. A call without one is sent again unchanged, which its request id makes safe.
async function ask(client, method, request) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(client, method, request);
    } catch (error) {
      if (!NOBODY_ANSWERED.includes(error.code) || attempt === TRIES) throw error;
    }
    await pause((100 + Math.random() * 100) * 2 ** attempt);
  }
}

// The reason of a refusal, for programs: that of the contract without its prefix; empty for other errors.
function reason(error) {
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const { details } = packed ? errors["client.Status"].deserialize(packed) : { details: [] };
  const info = details.find(({ type_url: type }) => type.endsWith("/google.rpc.ErrorInfo"));
  return info ? errors["client.ErrorInfo"].deserialize(info.value).reason : "";
}

function timestamp(milliseconds) {
  return { seconds: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1_000_000 };
}

// A paper that a member of staff has just verified. `key`: 32 random bytes that all systems of a region share.
function seen(code, numberOfPaper, key) {
  const identifies = `${code}\n${numberOfPaper.replace(/[\s-]/g, "").toUpperCase()}`;
  return {
    code,
    verifier: REQUESTER.staff_id,
    verify_time: timestamp(Date.now()),
    keyed_hash: createHmac("sha256", key).update(identifies, "utf8").digest(),
  };
}

// Suspends a line in sixty days.
function suspension(number, run) {
  const start = new Date(Date.now() + 60 * 24 * 3600 * 1000).toISOString();
  return {
    request_id: `${run}-suspend`, // stored before it is sent, so that it can be sent again after a crash
    wait: WAIT,
    order: {
      business: "SUSPEND",
      number,
      applicant: "APPLICANT_HOLDER",
      documents: [seen("ID_ORIG", "110105 19491231 002x", KEY)],
      characteristics: { reason: "abroad", start },
      requester: REQUESTER,
    },
  };
}

// Orders, twice with one request id, follows the order, and cancels it.
async function orderAndCancel(orders, number, run) {
  const changes = orders.WatchOrders({ requester: REQUESTER });
  const told = changes[Symbol.asyncIterator]();
  await told.next(); // a token alone: every change from now on is told
  const request = suspension(number, run);
  const { order } = await ask(orders, "SubmitOrder", request);
  tell("submitted", { order: order.id, state: order.state });
  const { order: again } = await ask(orders, "SubmitOrder", request);
  tell("submitted again", { order: again.id, state: again.state });
  request.order.characteristics.reason = "ill";
  try {
    await ask(orders, "SubmitOrder", request);
  } catch (error) {
    tell("submitted with another content", { status: grpc.status[error.code], reason: reason(error) });
  }
  for (let change = await told.next(); !change.done; change = await told.next()) {
    if (change.value.order?.id === order.id) break;
  }
  tell("watched", { order: order.id });
  changes.on("error", () => {}); // the cancellation comes as an error
  changes.cancel();
  const { order: cancelled } = await ask(orders, "CancelOrder", {
    request_id: `${run}-cancel`,
    order_id: order.id,
    reason: "changed my mind",
    requester: REQUESTER,
    wait: WAIT,
  });
  tell("cancelled", { order: cancelled.id, state: cancelled.state });
}

// Files a complaint.
async function complain(complaints, number, run) {
  const { complaint } = await ask(complaints, "FileComplaint", {
    request_id: `${run}-complaint`,
    complaint: {
      category: "BILL_WRONG",
      number,
      description: "I was charged twice for the same call.",
      remedy_sought: "REMEDY_REFUND",
      channel: "COMPLAINT_CHANNEL_COUNTER",
      requester: REQUESTER,
    },
  });
  tell("complained", { ticket_id: complaint.ticket_id, state: complaint.state });
}

function tell(did, what) {
  console.log(JSON.stringify({ did, ...what }));
}

async function main(number) {
  const run = randomBytes(4).toString("hex");
  const [orders, complaints] = [dial(contract.OrderService), dial(contract.ComplaintService)];
  await orderAndCancel(orders, number, run);
  await complain(complaints, number, run);
  orders.close();
  complaints.close();
}

main(process.argv[2]);
