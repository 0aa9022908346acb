import FramedCore
import FramedMessages
import Testing

/// The bytes all connections of a server hold.
@Suite struct ByteBudgetTests {
  private func server(_ budget: ByteBudget) -> ServerSide {
    var settings = ServerSettings()
    settings.budget = budget
    let server = ServerSide(settings)
    server.hello()
    return server
  }

  @Test func anAnnouncedRequestOfOneConnectionFillsItForAnother() {
    let budget = ByteBudget(limit: 1_000_000)
    let first = server(budget)
    let second = server(budget)
    first.call(1, "Async", .more, body: [1]) { $0.messageBytes = 1_000_000 }
    #expect(budget.bytes == 1_000_000)
    second.call(1, "Sync")
    let refused = second.sent().first
    #expect(refused?.code == .resourceExhausted)
    #expect(refused?.flags.contains(.refused) == true)
    first.cancel(1)
    _ = first.sent()
    #expect(budget.bytes == 0)
    second.call(3, "Sync")
    #expect(second.sent().first?.code == .ok)
  }

  @Test func aResponseThatWaitsCountsUntilItHasLeft() {
    let budget = ByteBudget(limit: 1 << 20)
    let side = server(budget)
    side.call(1, "Async") { $0.initialCredit = 4_096 }
    side.connection.finish(side.started[0].stream, .message([UInt8](repeating: 1, count: 10_000), trailers: []))
    _ = side.sent()
    #expect(budget.bytes == 10_000)
    side.credit(65_536, stream: 1)
    _ = side.sent()
    #expect(budget.bytes == 0)
  }

  @Test(arguments: ["lost", "cancelled", "sent"]) func queuedMessagesAreGivenBack(_ how: String) {
    let budget = ByteBudget(limit: 1 << 20)
    let side = server(budget)
    side.call(1, "Block") { $0.initialCredit = 4_096 }
    let stream = side.started[0].stream
    for _ in 0..<3 { _ = side.connection.push(stream, seq: nil, bytes: [UInt8](repeating: 1, count: 4_000)) }
    _ = side.sent()
    #expect(budget.bytes == 8_000)
    switch how {
    case "lost": side.connection.connectionLost("gone")
    case "cancelled":
      side.cancel(1)
      side.connection.finish(stream, .status(.ok))
      _ = side.sent()
    default:
      side.credit(65_536, stream: 1)
      _ = side.sent()
    }
    #expect(budget.bytes == 0)
  }

  @Test func aDriverMayRefuseAStream() {
    let side = server(ByteBudget(limit: 1 << 20))
    side.admits = false
    side.call(1, "Async")
    side.call(3, "Async", .more, body: [1]) { $0.messageBytes = 100 }
    let refused = side.sent()
    #expect(refused.map(\.stream) == [1, 3])
    #expect(refused.allSatisfy { $0.code == .resourceExhausted && $0.flags.contains(.refused) })
    #expect(side.started.isEmpty)
  }
}
