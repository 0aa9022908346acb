import FramedCore
import FramedMessages
import Foundation
import ProtobufFacade
import Testing

/// Three parts of docs/protocol.md are written from the code: the stream's states from the table the connection uses, the
/// numbers from the constants, a conversation from the frame writer. `TERRANE_UPDATE_DOCS=1` writes them, otherwise they are
/// compared.
@Suite(.serialized) struct ProtocolPageTests {
  private static let file = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("docs/protocol.md")

  @Test(arguments: ["states", "numbers", "conversation"])
  func thePartIsWhatTheCodeSays(_ part: String) throws {
    let text = ["states": Self.states, "numbers": Self.numbers, "conversation": Self.conversation][part]!()
    let page = try String(contentsOf: Self.file, encoding: .utf8)
    let begin = try #require(page.range(of: "<!-- \(part): written from the code -->\n"))
    let end = try #require(page.range(of: "<!-- end of \(part) -->", range: begin.upperBound..<page.endIndex))
    if ProcessInfo.processInfo.environment["TERRANE_UPDATE_DOCS"] == "1" {
      try page.replacingCharacters(in: begin.upperBound..<end.lowerBound, with: text)
        .write(to: Self.file, atomically: true, encoding: .utf8)
    } else {
      #expect(String(page[begin.upperBound..<end.lowerBound]) == text)
    }
  }

  // MARK: States

  private static func name(_ state: StreamState) -> String { "\(state)".uppercased() }

  private static let inputs: [(StreamInput, String)] = [
    (.call, "CALL with LAST"), (.callFragment, "CALL with MORE"), (.data, "DATA"), (.dataLast, "DATA with LAST"),
    (.credit, "CREDIT"), (.cancel, "CANCEL"), (.cause, "deadline, drain's end, stream error"),
    (.handlerReturned, "handler returned"), (.abandoned, "handler not back after 10 s"), (.endWritten, "END sent"),
  ]

  private static func words(_ action: StreamAction) -> String {
    switch action {
    case .start: "start the handler"
    case .assemble: "keep the fragment"
    case .assembleAndStart: "start the handler"
    case .addCredit: "widen the window"
    case .end: "END with the cause's status"
    case .endWithResult: "END with the result, or the first cause's status"
    case .tellHandler: "fix the status, tell the handler"
    case .replaceEnd: "replace an END that waits for credit"
    case .dataAfterLast: "stream error; the second time on the connection: connection error"
    case .abandon: "END without waiting longer"
    case .drop: "drop the bytes"
    case .ignore: "ignore"
    case .close: "forget the stream"
    case .connectionError: "connection error"
    case .impossible: "–"
    }
  }

  private static func states() -> String {
    var text = "```mermaid\nstateDiagram-v2\n  [*] --> IDLE\n"
    for from in StreamState.allCases {
      for to in StreamState.allCases where to != from {
        let causes = inputs.filter { StreamTable.cell(from, $0.0).next == to }.map(\.1)
        if !causes.isEmpty { text += "  \(name(from)) --> \(name(to)): \(causes.joined(separator: " / "))\n" }
      }
    }
    text += "  CLOSED --> [*]\n```\n\n| |"
    text += StreamState.allCases.map { " \(name($0)) |" }.joined() + "\n|---|"
    text += StreamState.allCases.map { _ in "---|" }.joined() + "\n"
    for (input, label) in inputs {
      text += "| \(label) |"
      for state in StreamState.allCases {
        let cell = StreamTable.cell(state, input)
        text += " \(words(cell.action))" + (cell.next == state ? "" : " → \(name(cell.next))") + " |"
      }
      text += "\n"
    }
    return text
  }

  // MARK: Numbers

  private static func grouped(_ value: some BinaryInteger) -> String {
    var digits = Array("\(value)")
    var at = digits.count - 3
    while at > 0 {
      digits.insert(",", at: at)
      at -= 3
    }
    return String(digits)
  }

  private static func time(_ value: Nanoseconds) -> String { "\(value / 1_000_000_000) s" }
  private static func bytes(_ value: some BinaryInteger) -> String { "\(grouped(value)) bytes" }

  private static func numbers() -> String {
    let server = ServerSettings()
    let abuse = server.abuse ?? AbuseLimits()
    let floor = "floor: holds before HELLO is read, and no HELLO may be tighter"
    let rows: [(String, String, String)] = [
      ("frame, header included", bytes(Limits.floorFrame), floor + "; never above \(grouped(Limits.ceilingFrame))"),
      ("message", bytes(Limits.floorMessage), floor + "; this server takes \(grouped(server.maxMessage))"),
      ("open streams", grouped(Limits.floorStreams), floor + "; this server allows \(grouped(server.maxStreams))"),
      ("initial credit", bytes(Limits.floorCredit), floor + "; this server gives \(grouped(server.initialCredit))"),
      ("initial credit of one CALL", bytes(Limits.leastCallCredit), "the least, other than 0"),
      ("min_ping_ms", time(Limits.floorMinPing), "the largest a HELLO may say"),
      ("a window", bytes(Limits.maxWindow), "never above"),
      ("a stream's id", grouped(Limits.maxStreamID), "the last"),
      ("HELLO", bytes(Limits.helloBytes), "at most"),
      ("a frame's metadata", bytes(Limits.metadataBytes), "at most, and \(Limits.metadataEntries) entries"),
      ("END's message", bytes(Limits.endMessageBytes), "at most; cut"),
      ("END's metadata", bytes(Limits.endMetaBytes), "at most; details, trailers and message are cut in that order"),
      ("GOAWAY's reason", bytes(Limits.goawayReason), "at most"),
      ("handed ahead to TLS", bytes(Limits.writeAhead), "at most"),
      ("refusals unsent", grouped(Limits.unsentRefusals), "above it the socket is not read"),
      ("pending keys of a LATEST stream", grouped(Limits.pendingKeys), "above it: a snapshot"),
      ("messages of a QUEUE stream", grouped(Limits.queueBound), "where the method states no bound"),
      ("of a BLOCK stream", bytes(Limits.blockAhead), "wait before its handler does"),
      ("a QUEUE or BLOCK stream without credit", time(Limits.slowConsumer), "then it ends"),
      ("HELLO must have come", time(Limits.helloTimeout), "after TLS"),
      ("a request must be whole", time(Limits.requestTimeout), "after its CALL"),
      ("a cancelled handler must have returned", time(Limits.handlerGrace), "after it was told"),
      (
        "a unary call without timeout_ms", time(server.defaultTimeout),
        "default; a caller may ask for \(time(server.maxTimeout))"
      ),
      (
        "silence_ms", time(Limits.silenceDefault),
        "default; \(time(Limits.silenceLeast)) to \(time(Limits.silenceMost))"
      ),
      ("the server pings", time(server.pingSilence), "of silence; given up after \(time(server.pingTimeout)) more"),
      ("early PINGs", grouped(Limits.earlyPings), "in \(time(Limits.earlyPingWindow)): GOAWAY(CALM)"),
      ("drain_grace_ms", time(Limits.drainGraceDefault), "default"),
      ("abuse tokens", grouped(abuse.tokens), "a connection; full again in \(time(abuse.refill))"),
      ("a stream is young", time(abuse.youngStream), "CANCEL of one costs a token"),
      ("a small CREDIT", bytes(abuse.leastCredit), "below it a token"),
    ]
    return "| number | value | |\n|---|--:|---|\n"
      + rows.map { "| \($0.0) | \($0.1) | \($0.2) |\n" }.joined()
  }

  // MARK: A conversation

  private static func conversation() -> String {
    let method = "grpc.health.v1.Health/Check"
    var watch = CallMeta(method: "grpc.health.v1.Health/Watch")
    watch.resume = ResumePoint(epoch: 7, afterSeq: 4)
    var first = DataMeta()
    first.seq = 9
    first.safeSeq = 6
    first.epoch = 7
    first.silenceMs = 15_000
    var second = DataMeta()
    second.seq = 7
    second.safeSeq = 9
    var bookmark = DataMeta()
    bookmark.safeSeq = 12
    var end = EndMeta()
    end.code = UInt32(StatusCode.unavailable.rawValue)
    end.message = "the server is draining"
    end.retryAfterMs = 250
    end.resumeSeq = 12
    var hello = Hello()
    hello.initialCredit = 262_144
    let serving: [UInt8] = [0x08, 0x01]
    let lines: [(String, [UInt8], String)] = [
      ("→ ←", Limits.preface, "both, first: the preface"),
      ("→", frame { $0.appendHello(Hello().protobufBytes()) }, "HELLO of a client that keeps to the floors"),
      ("←", frame { $0.appendHello(hello.protobufBytes()) }, "HELLO of a server: initial_credit 262,144"),
      (
        "→",
        frame { $0.appendFrame(.call, .last, stream: 1, meta: CallMeta(method: method).protobufBytes(), body: []) },
        "stream 1: CALL[LAST] of `\(method)`, an empty request"
      ),
      (
        "←", frame { $0.appendFrame(.end, [], stream: 1, meta: [], body: serving) },
        "stream 1: END, OK, with the response"
      ),
      (
        "→", frame { $0.appendFrame(.call, .last, stream: 3, meta: watch.protobufBytes(), body: []) },
        "stream 3: a watch that resumes behind seq 4 of epoch 7"
      ),
      (
        "←", frame { $0.appendFrame(.data, .conflated, stream: 3, meta: first.protobufBytes(), body: serving) },
        "stream 3: seq 9 of one key; seq 7 of another still waits, so safe_seq is 6; older values were skipped"
      ),
      (
        "←", frame { $0.appendFrame(.data, stream: 3, meta: second.protobufBytes(), body: serving) },
        "stream 3: seq 7 of the other key; now 9 is safe"
      ),
      (
        "←", frame { $0.appendFrame(.data, .noMessage, stream: 3, meta: bookmark.protobufBytes(), body: []) },
        "stream 3: a bookmark, safe_seq 12"
      ),
      ("→", frame { $0.appendCredit(40_000, stream: 3) }, "stream 3: CREDIT of 40,000 bytes"),
      ("→", frame { $0.appendPing(1, ack: false) }, "PING"),
      ("←", frame { $0.appendPing(1, ack: true) }, "PING[ACK] with the same 8 bytes"),
      (
        "←", frame { $0.appendGoaway(.drain, lastStream: 3, graceMs: 30_000, reason: "drain") },
        "GOAWAY(drain): no stream above 3, 30 s"
      ),
      (
        "←", frame { $0.appendFrame(.end, .noMessage, stream: 3, meta: end.protobufBytes(), body: []) },
        "stream 3: END[NO_MESSAGE], UNAVAILABLE, retry after 250 ms, resume from 12"
      ),
      ("→", frame { $0.appendCancel(.caller, stream: 3) }, "stream 3: CANCEL(1), which crossed END and is ignored"),
    ]
    return "| | bytes | |\n|---|---|---|\n"
      + lines.map { "| \($0.0) | \(hex($0.1)) | \($0.2) |\n" }.joined()
  }

  /// The header's fields apart: length, type, flags, aux, stream; then metadata; then the body.
  private static func hex(_ bytes: [UInt8]) -> String {
    let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    guard bytes.count >= FrameHeader.size, bytes != Limits.preface else { return "`\(digits.joined())`" }
    let aux = [0x02, 0x03, 0x04].contains(bytes[4]) ? Int(bytes[6]) << 8 | Int(bytes[7]) : 0
    let cuts = [0, 4, 5, 6, 8, 12, 12 + aux, bytes.count]
    let parts = zip(cuts, cuts.dropFirst()).map { digits[$0..<$1].joined() }.filter { !$0.isEmpty }
    return "`\(parts.joined(separator: " "))`"
  }
}
