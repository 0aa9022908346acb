import FramedCore
import FramedMessages
import Testing

@Suite("Streams that show one value") struct LatestGroupTests {
  /// Streams 1, 3, 5, … of one group, each told of seq 1 before it joined, so that its first metadata has left.
  private func open(_ count: Int, credit: UInt32? = nil) -> (ServerSide, LatestGroup, [ServerStream]) {
    let server = ServerSide()
    server.hello()
    let group = LatestGroup()
    for index in 0..<count { server.call(UInt32(2 * index + 1), "Watch") { $0.initialCredit = credit } }
    let streams = server.started.map(\.stream)
    for stream in streams {
      server.connection.begin(stream, epoch: 9)
      server.connection.handlerSubscribed(stream)
      server.connection.offer(stream, key: "k", seq: 1, bytes: [1], removed: false)
      server.connection.join(group, stream, newest: nil)
    }
    _ = server.sent()
    return (server, group, streams)
  }

  private func value(_ seq: UInt64, _ bytes: [UInt8]? = nil, removed: Bool = false) -> LatestGroup.Value {
    LatestGroup.Value(key: "k", seq: seq, bytes: bytes ?? [UInt8(seq)], removed: removed)
  }

  @Test("each stream gets the value as if it had been its own") func each() {
    let (server, group, streams) = open(3)
    server.connection.publish(group, value(5, removed: true))
    let shared = server.sent()
    #expect(shared.map(\.stream) == [1, 3, 5])
    let own = ServerSide()
    own.hello()
    own.call(1, "Watch")
    own.connection.begin(own.started[0].stream, epoch: 9)
    own.connection.offer(own.started[0].stream, key: "k", seq: 1, bytes: [1], removed: false)
    _ = own.sent()
    own.connection.offer(own.started[0].stream, key: "k", seq: 5, bytes: [5], removed: true)
    let alone = own.sent()[0]
    for frame in shared {
      #expect(frame.meta == alone.meta && frame.body == alone.body && frame.flags == alone.flags && frame.type == .data)
    }
    #expect(streams.allSatisfy { $0.safeSeq == 5 })
  }

  @Test("of values that come before a turn, the last is sent, and says that others gave way") func conflation() {
    let (server, group, _) = open(2)
    server.connection.publish(group, value(2))
    server.connection.publish(group, value(3))
    let sent = server.sent()
    #expect(sent.map(\.data?.seq) == [3, 3])
    #expect(sent.allSatisfy { $0.flags.contains(.conflated) })
    server.connection.publish(group, value(4))
    #expect(server.sent().allSatisfy { !$0.flags.contains(.conflated) })
  }

  @Test("a stream without credit keeps the newest value; the others do not wait for it") func withoutCredit() {
    let (server, group, streams) = open(2, credit: 4_096)
    let large = [UInt8](repeating: 7, count: 4_000)
    server.connection.publish(group, value(2, large))
    #expect(server.sent().map(\.stream) == [1, 3])
    server.credit(4_000, stream: 3)
    for seq in 3...5 as ClosedRange<UInt64> {
      server.connection.publish(group, value(seq, [UInt8](repeating: UInt8(seq), count: 100)))
      #expect(server.sent().filter { $0.stream == 3 }.map(\.data?.seq) == [seq])
    }
    #expect(streams[0].waitingMessages == 1 && streams[0].safeSeq == 2)
    server.credit(4_000, stream: 1)
    let late = server.sent()
    #expect(late.map(\.stream) == [1])
    #expect(late[0].data?.seq == 5 && late[0].flags.contains(.conflated))
    #expect(streams[0].safeSeq == 5)
  }

  @Test("more streams than the output has room for: each is served once, the newest value wins") func moreThanRoom() {
    let (server, group, streams) = open(50)
    let body = [UInt8](repeating: 1, count: 4_000)
    server.connection.publish(group, value(2, body))
    server.connection.fill()
    let first = server.taken()
    #expect(first.count < 50 && first.count >= 10)
    server.connection.publish(group, value(3, body))
    let rest = server.sent()
    var last: [UInt32: UInt64] = [:]
    for frame in first + rest { last[frame.stream] = frame.data?.seq }
    #expect(last.count == 50 && last.values.allSatisfy { $0 == 3 })
    // Whoever had not had its turn comes before whoever had.
    #expect(Set(rest.prefix(50 - first.count).map(\.stream)).isDisjoint(with: first.map(\.stream)))
    for frame in rest {
      #expect(frame.flags.contains(.conflated) == !first.map(\.stream).contains(frame.stream))
    }
    #expect(streams.allSatisfy { $0.safeSeq == 3 })
  }

  @Test("one that joins late is told what was published before; one that knows it is not") func joinsLate() {
    let (server, group, _) = open(1)
    server.connection.publish(group, value(7))
    _ = server.sent()
    server.call(3, "Watch")
    let late = server.started[1].stream
    server.connection.begin(late, epoch: 9)
    server.connection.offer(late, key: "k", seq: 6, bytes: [6], removed: false)
    server.connection.join(group, late, newest: value(7))
    #expect(server.sent().map(\.data?.seq) == [7])
    server.call(5, "Watch") { $0.resume = ResumePoint(epoch: 9, afterSeq: 7) }
    server.connection.begin(server.started[2].stream, epoch: 9)
    server.connection.join(group, server.started[2].stream, newest: value(7))
    #expect(server.sent().isEmpty)
    #expect(group.count == 3)
  }

  @Test("a snapshot that has not ended takes the value in") func inSnapshot() {
    let (server, group, streams) = open(1)
    server.connection.beginSnapshot(streams[0])
    server.connection.offer(streams[0], key: "k", seq: 8, bytes: [8], removed: false)
    server.connection.publish(group, value(9))
    server.connection.bookmark(streams[0], safeSeq: 9)
    let sent = server.sent()
    #expect(sent.map(\.data?.seq) == [9, nil])
    #expect(sent.map { $0.data?.snapshot } == [true, false])
    #expect(sent[1].data?.safeSeq == 9)
  }

  @Test("streams that end leave, in the middle of a turn too; the last one says so") func leaving() {
    let (server, group, streams) = open(40)
    var isEmptied = false
    group.emptied = { isEmptied = true }
    server.connection.publish(group, value(2, [UInt8](repeating: 1, count: 4_000)))
    server.connection.fill()
    let first = server.taken()
    for stream in streams.prefix(20) { server.cancel(stream.id) }
    let rest = server.sent()
    #expect(group.count == 20)
    let told = Set((first + rest).filter { $0.type == .data }.map(\.stream))
    #expect(told.isSuperset(of: streams.dropFirst(20).map(\.id)))
    #expect(rest.filter { $0.type == .end }.count == 20)
    server.connection.connectionLost("gone")
    #expect(isEmptied && group.count == 0)
  }

  @Test("a value too large for a frame goes in fragments, as any other") func large() {
    let (server, group, _) = open(2)
    server.connection.publish(group, value(2, [UInt8](repeating: 3, count: 40_000)))
    var bytes: [UInt32: Int] = [:]
    for frame in server.sent() { bytes[frame.stream, default: 0] += frame.body.count }
    #expect(bytes == [1: 40_000, 3: 40_000])
  }

  @Test("the value comes before the end of a stream that finishes") func finishing() {
    let (server, group, streams) = open(2)
    server.connection.publish(group, value(2))
    server.connection.finishStream(streams[0])
    let sent = server.sent().filter { $0.stream == 1 }
    #expect(sent.map(\.type) == [.data, .end])
    #expect(sent.first?.data?.seq == 2)
  }

  @Test("a value that has not left whole is not safe: who resumes gets it again") func cutOff() throws {
    let server = ServerSide()
    server.hello()
    server.call(1, "Watch") {
      $0.initialCredit = 8_192
      $0.timeoutMs = 1_000
    }
    let stream = server.started[0].stream
    server.connection.begin(stream, epoch: 9)
    server.connection.handlerSubscribed(stream)
    server.connection.offer(stream, key: "a", seq: 1, bytes: [1], removed: false)
    server.connection.offer(stream, key: "b", seq: 5, bytes: [UInt8](repeating: 2, count: 40_000), removed: false)
    let begun = server.sent()
    #expect(begun.map(\.data?.seq) == [1, 5] && begun[1].flags.contains(.more))
    #expect(stream.safeSeq == 4)
    server.pass(.seconds(2))
    let end = try #require(server.sent().last?.end)
    #expect(end.code == UInt32(StatusCode.deadlineExceeded.rawValue))
    #expect(end.resumeSeq == 4)
  }
}
