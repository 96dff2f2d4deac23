"""A region's own system, as small as it can be: an example, for the demo, for trials and for the tests.

    python -m deploy.provider --directory DIRECTORY --listen 127.0.0.1:7600

DIRECTORY holds the certificate of the system (authority.crt, tls.crt, tls.key), as `coordinator certificates issue
AUTHORITY spiffe://FEDERATION/region/REGION/provider/NAME --out DIRECTORY` writes it, and the file of what was done.

A region that connects a system of its own serves the contract `protos/gateway/api/provider/v1` in any language:

- It listens with TLS, demands a certificate of the federation's authority, and serves those alone whose URI is
  `spiffe://FEDERATION/region/REGION`: its region's node. Its own certificate names `/provider/NAME` below that.
- The order id is the key. What was provisioned is written down, with its results, before it is answered; a repeat gets
  what stands there. The node repeats every call until it is answered, also after either of them was killed.
- An item of a joint order has an id of its own; `Work.item` says what it needs, where, and until when room is kept.
- `done: false` is an answer: nothing was done, and the region's staff decide. They may have it asked again, so a system
  does not keep a refusal. Whatever else goes wrong is an error of gRPC: the node asks again by itself.
- After Undo an order is never provisioned, even where its Provision arrives late or never arrived.
- The standard health service answers, so that `region-node doctor` can tell that the system serves.

The node is told of it by its settings, `[providers.fulfilment]` and `[providers.notification]`.
"""

from gateway.security.tls_version import speak_tls_1_3_alone

speak_tls_1_3_alone()  # here, before any module of the example loads gRPC
