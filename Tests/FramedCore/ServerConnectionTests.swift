import FramedCore
import FramedMessages
import ProtobufFacade
import Testing

@Suite struct ServerConnectionTests {
  private func open(_ settings: ServerSettings = ServerSettings(), _ hello: Hello = Hello()) -> ServerSide {
    let server = ServerSide(settings)
    server.hello(hello)
    return server
  }

  private func bodyBytes(_ frames: [ServerSide.Sent]) -> Int {
    var sum = 0
    for frame in frames { sum += frame.body.count }
    return sum
  }

  // MARK: Streams

  @Test func unaryCallEndsWithItsMessage() {
    let server = open()
    server.call(1, "Sync", body: [1, 2, 3])
    let sent = server.sent()
    #expect(sent.count == 1)
    #expect(sent[0].type == .end)
    #expect(sent[0].body == [1, 2, 3])
    #expect(sent[0].meta.isEmpty)
    #expect(sent[0].flags.isEmpty)
  }

  @Test func emptyMessageIsAMessage() {
    let server = open()
    server.call(1, "Sync")
    let sent = server.sent()
    #expect(sent[0].flags.isEmpty)
    #expect(sent[0].body.isEmpty)
  }

  @Test func fragmentsBecomeOneRequest() {
    let server = open()
    server.call(1, "Async", .more, body: [1, 2]) { $0.messageBytes = 6 }
    server.data(1, .more, body: [3, 4])
    #expect(server.started.isEmpty)
    server.data(1, .last, body: [5, 6])
    #expect(server.started.map(\.request) == [[1, 2, 3, 4, 5, 6]])
  }

  @Test func responseWaitsForCreditAndFragmentsFitFramesAndWindow() throws {
    let server = open()
    server.call(1, "Async") { $0.initialCredit = 20_000 }
    server.connection.finish(server.started[0].stream, .message([UInt8](repeating: 7, count: 50_000), trailers: []))
    var sent = server.sent()
    #expect(sent.map(\.type) == [.data, .data])
    #expect(sent[0].data?.messageBytes == 50_000)
    #expect(bodyBytes(sent) == 20_000)
    server.credit(30_000, stream: 1)
    sent = server.sent()
    #expect(sent.last?.type == .end)
    #expect(bodyBytes(sent) == 30_000)
    #expect(server.ended == [1])
  }

  @Test func cancelReplacesAnEndThatWaitsForCredit() {
    let server = open()
    server.call(1, "Async") { $0.initialCredit = 0 }
    server.connection.finish(server.started[0].stream, .message([1, 2, 3], trailers: []))
    #expect(server.sent().isEmpty)
    server.cancel(1)
    let sent = server.sent()
    #expect(sent.count == 1)
    #expect(sent[0].code == .cancelled)
    #expect(sent[0].flags == .noMessage)
  }

  @Test func cancelTellsTheHandlerAndEndsOnceItReturns() {
    let server = open()
    server.call(1, "Async")
    server.cancel(1)
    server.cancel(1)
    #expect(server.cancelled.map(\.status) == [.cancelled])
    #expect(server.sent().isEmpty, "the slot is held while the handler runs")
    server.connection.finish(server.started[0].stream, .message([1], trailers: []))
    let sent = server.sent()
    #expect(sent.map(\.code) == [.cancelled])
  }

  @Test func handlerThatIgnoresCancelIsAbandonedAfterTenSeconds() {
    let server = open()
    server.call(1, "Async")
    server.cancel(1)
    server.pass(.milliseconds(9_900))
    #expect(server.sent().isEmpty)
    server.pass(.milliseconds(200))
    #expect(server.sent().map(\.code) == [.cancelled])
    #expect(server.abandonedStreams == [1])
    server.connection.finish(server.started[0].stream, .message([1], trailers: []))
    #expect(server.sent().isEmpty, "exactly one END")
  }

  @Test func deadlineEndsTheCall() {
    let server = open()
    server.call(1, "Async") { $0.timeoutMs = 100 }
    server.pass(.milliseconds(99))
    #expect(server.cancelled.isEmpty)
    server.pass(.milliseconds(10))
    #expect(server.cancelled.map(\.status) == [.deadlineExceeded])
    server.connection.finish(server.started[0].stream, .status(EndStatus(.cancelled)))
    #expect(server.sent().map(\.code) == [.deadlineExceeded], "the first cause fixes the status")
  }

  @Test func expiredOnArrivalIsRefused() {
    let server = open()
    server.call(1, "Async") { $0.timeoutMs = 0 }
    let sent = server.sent()
    #expect(sent[0].code == .deadlineExceeded)
    #expect(sent[0].flags.contains(.refused))
    #expect(server.started.isEmpty)
  }

  @Test func requestNotCompleteInThirtySecondsIsRefused() {
    let server = open()
    server.call(1, "Async", .more, body: [1]) {
      $0.messageBytes = 2
      $0.timeoutMs = 100_000
    }
    server.pass(.seconds(31))
    let sent = server.sent()
    #expect(sent[0].code == .deadlineExceeded)
    #expect(sent[0].flags.contains(.refused))
  }

  // MARK: Violations

  @Test func streamErrorsEndTheStreamOnly() {
    typealias Case = (
      name: String, flags: FrameFlags, change: (inout CallMeta) -> Void, code: StatusCode, refused: Bool
    )
    let cases: [Case] = [
      ("MORE with LAST", [.more, .last], { _ in }, .internal, false),
      ("CALL[NO_MESSAGE]", [.last, .noMessage], { _ in }, .internal, false),
      ("neither MORE nor LAST", [], { _ in }, .unimplemented, true),
      ("COMPRESSED", [.last, .compressed], { _ in }, .unimplemented, false),
      ("MORE without message_bytes", .more, { _ in }, .internal, false),
      ("wrong message_bytes", .last, { $0.messageBytes = 9 }, .internal, false),
      ("message_bytes over the limit", .more, { $0.messageBytes = 5 << 20 }, .resourceExhausted, false),
      ("bad key", .last, { $0.metadata = [Header(key: "Bad Key")] }, .invalidArgument, true),
      ("65 entries", .last, { $0.metadata = Array(repeating: Header(key: "k"), count: 65) }, .invalidArgument, true),
      ("over 8 KiB", .last, { $0.traceparent = String(repeating: "x", count: 8_200) }, .invalidArgument, true),
      ("request_id of 5 bytes", .last, { $0.requestID = [1, 2, 3, 4, 5] }, .invalidArgument, true),
      ("credit of 100", .last, { $0.initialCredit = 100 }, .invalidArgument, true),
      ("unknown method", .last, { $0.method = "None" }, .unimplemented, false),
    ]
    let server = open()
    for (index, test) in cases.enumerated() {
      server.call(UInt32(index * 2 + 1), "Async", test.flags, body: [1], change: test.change)
      let sent = server.sent()
      #expect(sent.map(\.type) == [.end], "\(test.name)")
      #expect(sent.first?.code == test.code, "\(test.name)")
      #expect(sent.first?.flags.contains(.refused) == test.refused, "\(test.name)")
    }
    server.connection.receive(frame { $0.appendFrame(.call, .last, stream: 1_001, meta: [0xFF, 0xFF], body: []) })
    #expect(server.sent().first?.code == .invalidArgument)
    server.call(2_001, "Sync", body: [5])
    #expect(server.sent().first?.body == [5], "the connection lives")
  }

  @Test func brokenFragmentsEndTheStreamOnly() {
    let cases: [(FrameFlags, [UInt8], [UInt8])] = [
      ([.more, .last], [1], []), ([.more, .noMessage], [], []), (.noMessage, [1], []), (.more, [1], [8, 1]),
      ([], [1], []),
      (.last, [1], []), (.more, [1, 2, 3, 4, 5], []),
    ]
    let server = open()
    for (index, (flags, body, meta)) in cases.enumerated() {
      let id = UInt32(index * 2 + 1)
      server.call(id, "Async", .more, body: [1]) { $0.messageBytes = 5 }
      server.data(id, flags, body: body, meta: meta)
      server.data(id, .more, body: [1])
      let sent = server.sent()
      #expect(sent.map(\.code) == [.internal], "\(flags) \(body)")
      #expect(sent.first?.end?.details.count == 1)
    }
    #expect(server.started.isEmpty)
  }

  @Test func connectionErrorsAreAnnouncedAndClose() {
    func after(_ name: String, _ code: GoawayCode, _ act: (ServerSide) -> Void) {
      let server = open()
      server.call(1, "Async")
      act(server)
      #expect(server.goaway() == code, "\(name)")
      #expect(server.cancelled.map(\.stream) == [1], "\(name): the running handler is told")
    }
    after("CALL again", .protocol) { $0.call(1, "Async") }
    after("DATA never opened", .protocol) { $0.data(3, .last) }
    after("CREDIT never opened", .protocol) { $0.credit(1, stream: 3) }
    after("CANCEL never opened", .protocol) { $0.cancel(3) }
    after("CREDIT of 0", .flowControl) { $0.credit(0, stream: 1) }
    after("CREDIT past 2^31-1", .flowControl) { $0.credit(0x7FFF_FFFF, stream: 1) }
    after("a second HELLO", .protocol) { $0.connection.receive(frame { $0.appendHello([]) }) }
    after("overdraft", .flowControl) { server in
      server.call(3, "Async", .more, body: []) { $0.messageBytes = 4_000_000 }
      // From here on what comes is dropped and nothing is granted any more.
      server.cancel(3)
      for _ in 0..<17 { server.data(3, .more, body: [UInt8](repeating: 0, count: 16_000)) }
    }
  }

  @Test func secondDataAfterLastOnAConnectionEndsIt() {
    let server = open()
    server.call(1, "Async")
    server.call(3, "Async")
    server.data(1, .last)
    #expect(server.cancelled.map(\.status) == [.internal])
    server.data(3, .last)
    #expect(server.goaway() == .protocol)
  }

  @Test func noHelloInFiveSecondsCloses() {
    let server = ServerSide()
    server.connection.receive(Limits.preface)
    server.pass(.milliseconds(5_001))
    #expect(server.connection.wantsClose)
  }

  @Test func helloTighterThanTheFloorsIsAViolation() {
    for hello in [
      Hello(maxFrame: 16_383), Hello(maxMessage: 1_000), Hello(minPingMs: 10_001), Hello(initialCredit: 65_535),
    ] as [Hello] {
      let server = ServerSide()
      server.connection.receive(Limits.preface + frame { $0.appendHello(hello.protobufBytes()) })
      #expect(server.goaway() == .protocol)
    }
  }

  @Test func streamsBeyondTheLimitAreRefusedAndTooManyRefusalsStopReading() {
    var settings = ServerSettings()
    settings.maxStreams = 2
    let server = open(settings)
    server.call(1, "Async")
    server.call(3, "Async")
    server.call(5, "Async")
    let sent = server.sent()
    #expect(sent.map(\.code) == [.resourceExhausted])
    #expect(sent[0].flags.contains(.refused))
    #expect(sent[0].end?.retryAfterMs != nil)
  }

  @Test func aPileOfRefusalsStopsReadingUntilItIsWritten() {
    let server = open()
    let meta = CallMeta(method: String(repeating: "x", count: 1_000)).protobufBytes()
    // The refusals name the method: they fill the output, and from there on they pile up.
    let calls = frame { queue in
      for i in 0..<300 { queue.appendFrame(.call, .last, stream: UInt32(i * 2 + 1), meta: meta, body: []) }
    }
    server.connection.receive(calls)
    #expect(server.connection.stoppedReading)
    var ends = server.sent().filter { $0.type == .end }.count
    #expect(server.connection.wantsRead)
    while server.connection.stoppedReading {
      server.connection.processInput()
      ends += server.sent().filter { $0.type == .end }.count
    }
    #expect(ends == 300)
  }

  // MARK: END

  @Test func oversizeErrorsAreCutInOrder() throws {
    let long = String(repeating: "ü", count: 2_000)
    let detail = ErrorDetail(typeURL: "t", value: [UInt8](repeating: 1, count: 5_000))
    let trailer = MetadataEntry(key: "k", value: [UInt8](repeating: 2, count: 5_000))
    let status = EndStatus(
      .aborted, long, details: [detail, detail], trailers: [trailer], retryAfterMs: -1, resumeSeq: 9)
    let meta = try EndMeta(protobuf: status.metaBytes())
    #expect(status.metaBytes().count <= 8_192)
    #expect(meta.message.utf8.count == 1_024)
    #expect(meta.details.isEmpty, "details go first")
    #expect(meta.trailers.count == 1)
    #expect(meta.code == 10)
    #expect(meta.retryAfterMs == -1)
    #expect(meta.resumeSeq == 9)
  }

  @Test func responseOverTheClientsLimitIsNotSent() {
    let server = open()
    server.call(1, "Async")
    server.connection.finish(
      server.started[0].stream, .message([UInt8](repeating: 0, count: (1 << 20) + 1), trailers: []))
    #expect(server.sent().map(\.code) == [.resourceExhausted])
  }

  // MARK: LATEST

  @Test func bookmarksComeInSilence() {
    let server = open()
    server.call(1, "Watch") { $0.maxSilenceMs = 1_000 }
    let stream = server.started[0].stream
    server.connection.begin(stream, epoch: 4)
    server.connection.handlerSubscribed(stream)
    server.connection.bookmark(stream, safeSeq: 33)
    server.pass(.milliseconds(5_001))
    let sent = server.sent()
    #expect(sent.count == 1)
    #expect(sent[0].flags == .noMessage)
    #expect(sent[0].data?.safeSeq == 33)
    #expect(sent[0].data?.epoch == 4)
    #expect(sent[0].data?.silenceMs == 5_000, "clamped to the least")
    server.pass(.milliseconds(4_000))
    #expect(server.sent().isEmpty)
  }

  @Test func aSignOfLifeBeforeTheHandlerKnowsMoreCallsNothingSafe() {
    let server = open()
    server.call(1, "Watch") { $0.resume = ResumePoint(epoch: 3, afterSeq: 99) }
    let stream = server.started[0].stream
    server.pass(.milliseconds(15_001))
    var sent = server.sent()
    server.connection.begin(stream, epoch: 4)
    server.connection.beginSnapshot(stream)
    server.pass(.milliseconds(15_001))
    sent += server.sent()
    server.connection.offer(stream, key: "k", seq: 7, bytes: [1], removed: false)
    server.connection.bookmark(stream, safeSeq: 8)
    sent += server.sent()
    #expect(sent.map { $0.data?.seq } == [nil, nil, 7, nil])
    #expect(sent.map { $0.data?.safeSeq } == [nil, nil, 0, 8])
    #expect(sent.map { $0.data?.epoch } == [nil, 4, nil, nil])
    #expect(sent.map { $0.data?.silenceMs } == [15_000, nil, nil, nil])
    #expect(sent.map { $0.data?.snapshot } == [false, false, true, false])
  }

  @Test func withoutCreditTheNewestWaitsAndLackOfItNeverEndsTheStream() {
    let server = open()
    server.call(1, "Watch") { $0.initialCredit = 4_096 }
    let stream = server.started[0].stream
    func offer(_ seq: UInt64) {
      server.connection.offer(
        stream, key: "k", seq: seq, bytes: [UInt8](repeating: UInt8(seq), count: 4_000), removed: false)
    }
    offer(1)
    #expect(server.sent().map(\.data?.seq) == [1])
    for seq in 2...50 { offer(UInt64(seq)) }
    #expect(server.sent().isEmpty)
    server.pass(.seconds(60))
    #expect(server.sent().allSatisfy { $0.flags.contains(.noMessage) }, "bookmarks need no credit")
    server.credit(4_000, stream: 1)
    let sent = server.sent()
    #expect(sent.map(\.data?.seq) == [50])
    #expect(sent[0].flags.contains(.conflated))
  }

  @Test func fragmentsOfAValueCarryTheirMetadataOnce() {
    let server = open(ServerSettings(), Hello(initialCredit: 1 << 20))
    server.call(1, "Watch")
    let stream = server.started[0].stream
    server.connection.offer(stream, key: "k", seq: 3, bytes: [UInt8](repeating: 1, count: 40_000), removed: true)
    let sent = server.sent()
    #expect(sent.map(\.flags) == [.more, .more, []])
    #expect(sent[0].data?.seq == 3)
    #expect(sent[0].data?.removed == true)
    #expect(sent[0].data?.messageBytes == 40_000)
    #expect(sent.dropFirst().allSatisfy { $0.meta.isEmpty })
  }

  @Test func cancelOfAWatchEndsItWithItsPlace() {
    let server = open()
    server.call(1, "Watch") { $0.resume = ResumePoint(epoch: 1, afterSeq: 20) }
    let stream = server.started[0].stream
    server.connection.handlerSubscribed(stream)
    server.cancel(1)
    let sent = server.sent()
    #expect(sent.map(\.code) == [.cancelled])
    #expect(sent[0].end?.resumeSeq == 20)
  }

  // MARK: Drain, ping

  @Test func drainSendsWhatCreditCoversAndSaysWhereToResume() {
    let server = open()
    for id in [1, 3] as [UInt32] {
      server.call(id, "Watch") { $0.initialCredit = 4_096 }
      server.connection.handlerSubscribed(server.started[Int(id / 2)].stream)
    }
    for started in server.started {
      server.connection.offer(
        started.stream, key: "a", seq: 1, bytes: [UInt8](repeating: 0, count: 4_000), removed: false)
    }
    _ = server.sent()
    server.credit(4_000, stream: 1)
    for started in server.started {
      server.connection.offer(
        started.stream, key: "a", seq: 2, bytes: [UInt8](repeating: 0, count: 4_000), removed: false)
    }
    server.connection.drain(grace: .seconds(20))
    server.call(5, "Async")
    let first = server.sent()
    #expect(first.map(\.type).contains(.goaway))
    let refused = first.first { $0.stream == 5 }
    #expect(refused?.code == .unavailable)
    #expect(refused?.flags.contains(.refused) == true)
    server.pass(.seconds(5))
    let sent = server.sent()
    let ends = sent.filter { $0.type == .end }
    #expect(ends.map(\.code) == [.unavailable, .unavailable])
    #expect(ends.first { $0.stream == 1 }?.end?.resumeSeq == 2, "credit covered the newest value")
    #expect(ends.first { $0.stream == 3 }?.end?.resumeSeq == 1, "it did not, and safe_seq says so")
    #expect(ends.allSatisfy { $0.end?.retryAfterMs != nil })
    #expect(ends.allSatisfy { !$0.flags.contains(.refused) })
    #expect(server.connection.wantsClose)
  }

  @Test func unansweredPingEndsTheConnection() {
    let server = open(ServerSettings(), Hello(features: ["ping-ack"]))
    server.call(1, "Watch") { $0.maxSilenceMs = 60_000 }
    server.pass(.seconds(31))
    let pings = server.sent().filter { $0.type == .ping }
    #expect(pings.map(\.flags) == [[]])
    server.pass(.seconds(21))
    #expect(server.connection.wantsClose)
    #expect(server.cancelled.map(\.status) == [.unavailable])
  }

  @Test func pingIsEchoed() {
    let server = open()
    server.connection.receive(frame { $0.appendPing(42, ack: false) })
    let sent = server.sent()
    #expect(sent.map(\.type) == [.ping])
    #expect(sent[0].flags == .ack)
  }
}
