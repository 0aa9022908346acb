import FramedCore
import FramedMessages
import Testing

@Suite("Metadata that repeats") struct CallHeadTests {
  private func open() -> ServerSide {
    let server = ServerSide()
    server.hello()
    return server
  }

  @Test("calls with the same metadata share what was read") func shared() {
    let server = open()
    server.call(1, "Async") { $0.timeoutMs = 100 }
    server.call(3, "Async") { $0.timeoutMs = 100 }
    server.call(5, "Async") { $0.timeoutMs = 101 }
    server.call(7, "Watch") { $0.timeoutMs = 101 }
    let heads = server.started.map(\.stream.head)
    #expect(heads[0] === heads[1])
    #expect(heads[1] !== heads[2] && heads[2] !== heads[3])
    #expect(heads.map(\.meta.timeoutMs) == [100, 100, 101, 101])
    #expect(heads.map(\.meta.method) == ["Async", "Async", "Async", "Watch"])
  }

  @Test("what is of one call only is not kept for the next") func ofOneCall() {
    let server = open()
    for stream in [1, 3] as [UInt32] {
      server.call(stream, "Async") { $0.requestID = [UInt8](repeating: 7, count: 16) }
    }
    #expect(server.started[0].stream.head !== server.started[1].stream.head)
    #expect(server.started[1].stream.meta.requestID == [UInt8](repeating: 7, count: 16))
  }

  @Test("metadata that was refused is refused again") func refusedAgain() {
    let server = open()
    for stream in [1, 3, 5] as [UInt32] { server.call(stream, "Async") { $0.initialCredit = 1 } }
    #expect(server.sent().map(\.code) == [.invalidArgument, .invalidArgument, .invalidArgument])
    #expect(server.started.isEmpty)
  }

  @Test("each call's message is held against what its metadata says, also of metadata read before") func size() {
    let server = open()
    server.call(1, "Sync", body: [1, 2]) { $0.messageBytes = 2 }
    server.call(3, "Sync", body: [1, 2, 3]) { $0.messageBytes = 2 }
    server.call(5, "Sync", body: [4, 5]) { $0.messageBytes = 2 }
    #expect(server.sent().map(\.code) == [.ok, .internal, .ok])
  }

  @Test("deadlines count from each call, not from the first with the same metadata") func deadlines() {
    let server = open()
    server.call(1, "Async") { $0.timeoutMs = 100 }
    server.pass(.milliseconds(50))
    server.call(3, "Async") { $0.timeoutMs = 100 }
    server.pass(.milliseconds(60))
    #expect(server.cancelled.map(\.stream) == [1])
  }
}
