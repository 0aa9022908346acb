import FramedCore
import FramedMessages
import Testing

/// QUEUE and BLOCK streams: every message, in order, however slow the client.
@Suite struct QueueTests {
  private func watching(
    _ method: String, credit: UInt32? = nil, resume: ResumePoint? = nil
  ) -> (ServerSide, ServerStream) {
    let server = ServerSide()
    server.hello()
    server.call(1, method) {
      $0.initialCredit = credit
      $0.resume = resume
    }
    return (server, server.started[0].stream)
  }

  @Test(arguments: ["Queue", "Block"]) func messagesLeaveInOrderAndBeforeTheEnd(_ method: String) {
    let (server, stream) = watching(method)
    server.connection.begin(stream, epoch: 7)
    for seq in 1...3 { _ = server.connection.push(stream, seq: UInt64(seq), bytes: [UInt8(seq)]) }
    server.connection.finish(stream, .status(.ok))
    let sent = server.sent()
    #expect(sent.map(\.type) == [.data, .data, .data, .end])
    #expect(sent.prefix(3).map(\.body) == [[1], [2], [3]])
    #expect(sent.prefix(3).map { $0.data?.seq } == [1, 2, 3])
    #expect(sent[0].data?.epoch == 7)
    #expect(sent[3].code == .ok)
    #expect(server.ended == [1])
  }

  @Test func anErrorOfTheHandlerComesBehindItsMessages() {
    let (server, stream) = watching("Block")
    _ = server.connection.push(stream, seq: nil, bytes: [1])
    server.connection.finish(stream, .status(EndStatus(.dataLoss, "half a file")))
    #expect(server.sent().map(\.type) == [.data, .end])
  }

  @Test func aFullQueueEndsTheStreamWithItsPlace() {
    let (server, stream) = watching("Queue", credit: 4_096)
    let bytes = [UInt8](repeating: 1, count: 3_000)
    #expect(server.connection.push(stream, seq: 10, bytes: bytes) == .room)
    #expect(server.sent().count == 1)
    // Less than half the window is free: these wait, four at most.
    for seq in 11...14 {
      #expect(server.connection.push(stream, seq: UInt64(seq), bytes: bytes) == .room)
      #expect(server.sent().isEmpty)
    }
    #expect(server.connection.push(stream, seq: 15, bytes: bytes) == .ended)
    server.connection.handlerSubscribed(stream)
    let end = server.sent().last
    #expect(end?.code == .resourceExhausted)
    #expect(end?.end?.details.first?.typeURL == "type.googleapis.com/google.rpc.ErrorInfo")
    #expect(end?.end?.resumeSeq == 10)
    #expect(server.connection.push(stream, seq: 16, bytes: bytes) == .ended)
  }

  @Test(arguments: ["Queue", "Block"]) func aMinuteWithoutCreditEndsTheStream(_ method: String) {
    let (server, stream) = watching(method, credit: 4_096)
    server.connection.handlerSubscribed(stream)
    _ = server.connection.push(stream, seq: 1, bytes: [UInt8](repeating: 1, count: 4_096))
    _ = server.connection.push(stream, seq: 2, bytes: [UInt8](repeating: 2, count: 4_096))
    #expect(server.sent().map(\.type) == [.data])
    server.pass(.seconds(59))
    #expect(!server.sent().contains { $0.type == .end })
    server.pass(.seconds(2))
    let end = server.sent().last
    #expect(end?.code == .resourceExhausted)
    #expect(end?.end?.resumeSeq == 1)
  }

  @Test func aGrantBeginsTheMinuteAnew() {
    let (server, stream) = watching("Queue", credit: 4_096)
    for seq in 1...3 {
      _ = server.connection.push(stream, seq: UInt64(seq), bytes: [UInt8](repeating: 1, count: 4_096))
    }
    _ = server.sent()
    server.pass(.seconds(59))
    _ = server.sent()
    server.credit(4_096, stream: 1)
    #expect(server.sent().map(\.body.count) == [4_096])
    server.pass(.seconds(59))
    #expect(!server.sent().contains { $0.type == .end })
  }

  /// A message larger than the window goes in fragments as credit comes, with its size stated and nothing between.
  @Test func aMessageLargerThanTheWindow() {
    let (server, stream) = watching("Block", credit: 4_096)
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
    #expect(server.connection.push(stream, seq: nil, bytes: bytes) == .room)
    #expect(server.connection.push(stream, seq: nil, bytes: [9]) == .room)
    var got: [ServerSide.Sent] = server.sent()
    for _ in 0..<3 {
      server.credit(4_096, stream: 1)
      got += server.sent()
    }
    #expect(got[0].data?.messageBytes == 10_000)
    #expect(got.dropLast().flatMap(\.body) == bytes)
    #expect(got.last?.body == [9])
  }

  @Test func aBlockHandlerWaitsForRoomAndIsToldOnce() {
    let (server, stream) = watching("Block", credit: 65_536)
    let bytes = [UInt8](repeating: 1, count: 40_000)
    #expect(server.connection.push(stream, seq: nil, bytes: bytes) == .room)
    #expect(server.connection.push(stream, seq: nil, bytes: bytes) == .full)
    #expect(server.roomAgain.isEmpty)
    _ = server.sent()
    #expect(server.roomAgain == [1])
    // The second waits for credit; a third has to wait for room again.
    #expect(server.connection.push(stream, seq: nil, bytes: bytes) == .full)
    server.credit(65_536, stream: 1)
    _ = server.sent()
    #expect(server.roomAgain == [1, 1])
  }

  @Test func aDrainEndsQueuesAndLetsBlockFinish() {
    let server = ServerSide()
    server.hello()
    server.call(1, "Queue")
    server.call(3, "Block")
    let queue = server.started[0].stream
    let block = server.started[1].stream
    server.connection.handlerSubscribed(queue)
    server.connection.begin(queue, epoch: 1)
    _ = server.connection.push(queue, seq: 5, bytes: [5])
    _ = server.sent()
    server.connection.drain(grace: .seconds(10))
    server.pass(.seconds(4))
    let ended = server.sent().filter { $0.type == .end }
    #expect(ended.map(\.stream) == [1])
    #expect(ended[0].code == .unavailable)
    #expect(ended[0].end?.resumeSeq == 5)
    #expect(server.connection.push(block, seq: nil, bytes: [1]) == .room)
    server.connection.finish(block, .status(.ok))
    #expect(server.sent().filter { $0.stream == 3 }.map(\.type) == [.data, .end])
  }

  @Test func cancelDropsWhatWaits() {
    let (server, stream) = watching("Block", credit: 4_096)
    for _ in 0..<3 { _ = server.connection.push(stream, seq: nil, bytes: [UInt8](repeating: 1, count: 4_096)) }
    _ = server.sent()
    server.cancel(1)
    #expect(server.cancelled.map(\.stream) == [1])
    #expect(server.connection.push(stream, seq: nil, bytes: [1]) == .ended)
    server.connection.finish(stream, .status(.ok))
    #expect(server.sent().map(\.code) == [.cancelled])
  }

  /// END waits behind messages that wait for credit: a deadline or a cancel takes their place.
  @Test func anEndBehindMessagesGivesWayToACancel() {
    let (server, stream) = watching("Block", credit: 4_096)
    for _ in 0..<2 { _ = server.connection.push(stream, seq: nil, bytes: [UInt8](repeating: 1, count: 4_096)) }
    server.connection.finish(stream, .status(.ok))
    #expect(server.sent().map(\.type) == [.data])
    server.cancel(1)
    #expect(server.sent().map(\.code) == [.cancelled])
    #expect(server.ended == [1])
  }

  @Test func resumedWhereItWasSaysSoUntilSomethingLeaves() {
    let (server, stream) = watching("Queue", resume: ResumePoint(epoch: 3, afterSeq: 40))
    server.connection.handlerSubscribed(stream)
    server.connection.begin(stream, epoch: 3)
    server.pass(.seconds(16))
    let bookmark = server.sent().first
    #expect(bookmark?.data?.safeSeq == 40)
    server.connection.bookmark(stream, safeSeq: 45)
    server.connection.finishStream(stream)
    #expect(server.sent().last?.end?.resumeSeq == 45)
  }
}
