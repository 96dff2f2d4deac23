// Calls a region's node with code that Debian's protoc and grpc_java_plugin generate from the contract.
//
//     sh build.sh PROTOS TARGET
//     sh TARGET/client NUMBER
//
// PROTOS is the folder `protos` of this project. The environment names the caller and the node, as for `region-node`.
// The program prints one line of JSON for each step. docs/integrating.md explains the steps.

import client.Errors;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import gateway.api.region.v1.ComplaintOuterClass.ComplaintChannel;
import gateway.api.region.v1.ComplaintOuterClass.ComplaintRequest;
import gateway.api.region.v1.ComplaintOuterClass.Remedy;
import gateway.api.region.v1.ComplaintServiceGrpc;
import gateway.api.region.v1.ComplaintServiceOuterClass.FileComplaintRequest;
import gateway.api.region.v1.OrderOuterClass.OrderRequest;
import gateway.api.region.v1.OrderServiceGrpc;
import gateway.api.region.v1.OrderServiceOuterClass.CancelOrderRequest;
import gateway.api.region.v1.OrderServiceOuterClass.SubmitOrderRequest;
import gateway.api.region.v1.OrderServiceOuterClass.WatchOrdersRequest;
import gateway.api.types.v1.Types.Applicant;
import gateway.api.types.v1.Types.Channel;
import gateway.api.types.v1.Types.Document;
import gateway.api.types.v1.Types.Requester;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

final class Client {
    private static final long SECONDS = 15; // for one call: more than it may wait for the home region
    private static final int TRIES = 5;
    private static final Duration WAIT = Duration.newBuilder().setSeconds(5).build(); // for the home region's decision
    private static final Set<Status.Code> NOBODY_ANSWERED =
            EnumSet.of(Status.Code.UNAVAILABLE, Status.Code.DEADLINE_EXCEEDED, Status.Code.INTERNAL);
    private static final Metadata.Key<byte[]> DETAILS =
            Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
    private static final byte[] KEY = random(32); // a real client reads it from its region's store of secrets
    private static final Requester REQUESTER = // the caller, on every request about a person
            Requester.newBuilder().setStaffId("me").setChannel(Channel.CHANNEL_COUNTER).build();

    private final OrderServiceGrpc.OrderServiceBlockingStub orders;
    private final ComplaintServiceGrpc.ComplaintServiceBlockingStub complaints;
    private final String number;
    private final String run = HexFormat.of().formatHex(random(4));

    private Client(ManagedChannel channel, String number) {
        orders = OrderServiceGrpc.newBlockingStub(channel);
        complaints = ComplaintServiceGrpc.newBlockingStub(channel);
        this.number = number;
    }

    public static void main(String[] arguments) throws Exception {
        ManagedChannel channel = dial();
        try {
            Client client = new Client(channel, arguments[0]);
            client.orderAndCancel();
            client.complain();
        } finally {
            channel.shutdownNow();
        }
    }

    // The region's node, which proves the region's name and not that of its address.
    private static ManagedChannel dial() throws IOException {
        Path files = Path.of(System.getenv("CROSSREGION_CREDENTIALS"));
        String region = System.getenv("CROSSREGION_REGION");
        String federation = System.getenv("CROSSREGION_FEDERATION");
        return NettyChannelBuilder.forTarget(System.getenv("CROSSREGION_NODE"))
                .overrideAuthority(region + ".region." + federation)
                .sslContext(
                        GrpcSslContexts.forClient()
                                .protocols("TLSv1.3")
                                .trustManager(files.resolve("authority.crt").toFile())
                                .keyManager(files.resolve("tls.crt").toFile(), files.resolve("tls.key").toFile())
                                .build())
                .build();
    }

    // The response. A call without one is sent again unchanged, which its request id makes safe.
    private static <T> T ask(Supplier<T> call) throws InterruptedException {
        for (int attempt = 1; ; attempt++) {
            try {
                return call.get();
            } catch (StatusRuntimeException error) {
                if (!NOBODY_ANSWERED.contains(error.getStatus().getCode()) || attempt == TRIES) {
                    throw error;
                }
            }
            Thread.sleep(ThreadLocalRandom.current().nextLong(100, 200) << attempt);
        }
    }

    // The reason of a refusal, for programs: that of the contract without its prefix; empty for other errors.
    private static String reason(StatusRuntimeException error) throws InvalidProtocolBufferException {
        byte[] details = error.getTrailers() == null ? null : error.getTrailers().get(DETAILS);
        if (details != null) {
            for (Any detail : Errors.Status.parseFrom(details).getDetailsList()) {
                if (detail.getTypeUrl().endsWith("/google.rpc.ErrorInfo")) {
                    return Errors.ErrorInfo.parseFrom(detail.getValue()).getReason();
                }
            }
        }
        return "";
    }

    // A paper that a member of staff has just verified. `key`: 32 random bytes that all systems of a region share.
    private static Document seen(String code, String numberOfPaper, byte[] key) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        String identifies = code + "\n" + numberOfPaper.replaceAll("[\\s-]", "").toUpperCase();
        Instant now = Instant.now();
        return Document.newBuilder()
                .setCode(code)
                .setVerifier(REQUESTER.getStaffId())
                .setVerifyTime(Timestamp.newBuilder().setSeconds(now.getEpochSecond()).setNanos(now.getNano()))
                .setKeyedHash(ByteString.copyFrom(mac.doFinal(identifies.getBytes(StandardCharsets.UTF_8))))
                .build();
    }

    // Suspends the line in sixty days.
    private SubmitOrderRequest suspension() throws GeneralSecurityException {
        OrderRequest order =
                OrderRequest.newBuilder()
                        .setBusiness("SUSPEND")
                        .setNumber(number)
                        .setApplicant(Applicant.APPLICANT_HOLDER)
                        .addDocuments(seen("ID_ORIG", "110105 19491231 002x", KEY))
                        .putCharacteristics("reason", "abroad")
                        .putCharacteristics("start", Instant.now().plus(60, ChronoUnit.DAYS).toString())
                        .setRequester(REQUESTER)
                        .build();
        return SubmitOrderRequest.newBuilder()
                .setRequestId(run + "-suspend") // stored before it is sent, so that it can be sent again after a crash
                .setWait(WAIT)
                .setOrder(order)
                .build();
    }

    // Orders, twice with one request id, follows the order, and cancels it.
    private void orderAndCancel() throws Exception {
        try (Context.CancellableContext watch = Context.current().withCancellation()) {
            // A watch has no deadline. Its last token, kept, resumes it after a drop.
            var changes = watch.call(() -> orders.watchOrders(
                    WatchOrdersRequest.newBuilder().setRequester(REQUESTER).build()));
            changes.next(); // a token alone: every change from now on is told
            SubmitOrderRequest request = suspension();
            var order = ask(() -> inTime().submitOrder(request)).getOrder();
            tell("submitted", "order", order.getId(), "state", order.getState().name());
            var again = ask(() -> inTime().submitOrder(request)).getOrder();
            tell("submitted again", "order", again.getId(), "state", again.getState().name());
            SubmitOrderRequest.Builder another = request.toBuilder();
            another.getOrderBuilder().putCharacteristics("reason", "ill");
            try {
                ask(() -> inTime().submitOrder(another.build()));
            } catch (StatusRuntimeException refused) {
                String status = refused.getStatus().getCode().name();
                tell("submitted with another content", "status", status, "reason", reason(refused));
            }
            while (!changes.next().getOrder().getId().equals(order.getId())) {
                // another order of the region has changed
            }
            tell("watched", "order", order.getId());
            CancelOrderRequest cancellation =
                    CancelOrderRequest.newBuilder()
                            .setRequestId(run + "-cancel")
                            .setOrderId(order.getId())
                            .setReason("changed my mind")
                            .setRequester(REQUESTER)
                            .setWait(WAIT)
                            .build();
            var cancelled = ask(() -> inTime().cancelOrder(cancellation)).getOrder();
            tell("cancelled", "order", cancelled.getId(), "state", cancelled.getState().name());
        }
    }

    // Files a complaint.
    private void complain() throws InterruptedException {
        FileComplaintRequest request =
                FileComplaintRequest.newBuilder()
                        .setRequestId(run + "-complaint")
                        .setComplaint(
                                ComplaintRequest.newBuilder()
                                        .setCategory("BILL_WRONG")
                                        .setNumber(number)
                                        .setDescription("I was charged twice for the same call.")
                                        .setRemedySought(Remedy.REMEDY_REFUND)
                                        .setChannel(ComplaintChannel.COMPLAINT_CHANNEL_COUNTER)
                                        .setRequester(REQUESTER))
                        .build();
        var filed = ask(() -> complaints.withDeadlineAfter(SECONDS, TimeUnit.SECONDS).fileComplaint(request))
                .getComplaint();
        tell("complained", "ticket_id", filed.getTicketId(), "state", filed.getState().name());
    }

    private OrderServiceGrpc.OrderServiceBlockingStub inTime() {
        return orders.withDeadlineAfter(SECONDS, TimeUnit.SECONDS);
    }

    // Prints one step: pairs of a name and a value, none of which has a character that JSON would escape.
    private static void tell(String did, String... what) {
        StringBuilder line = new StringBuilder("{\"did\":\"" + did + "\"");
        for (int each = 0; each < what.length; each += 2) {
            line.append(",\"" + what[each] + "\":\"" + what[each + 1] + "\"");
        }
        System.out.println(line.append("}"));
    }

    private static byte[] random(int count) {
        byte[] made = new byte[count];
        new SecureRandom().nextBytes(made);
        return made;
    }
}
