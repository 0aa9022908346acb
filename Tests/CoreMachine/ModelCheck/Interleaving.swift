import CoreMachineTesting
import PostgreSQL
import Synchronization
import TaskProtocol
@testable import CoreMachine

/// One transaction, cut where another may come in between: before each of its round trips.
struct Transaction: Sendable {
  var name: String
  /// The last one commits.
  var steps: [@Sendable (PostgresTransaction) async throws -> Void]
}

/// Transactions that run at once, each on a connection of its own, one step at a time in a given order. A step that waits for
/// another's lock is passed over; it goes on when the lock is free.
struct Interleaving {
  private let connections: [PostgresConnection]
  private let observer: PostgresConnection

  init(_ fixture: EngineFixture, transactions: Int) async throws {
    var connections: [PostgresConnection] = []
    for _ in 0..<transactions {
      connections.append(try await PostgresConnection.connect(fixture.settings, on: fixture.thread))
    }
    self.connections = connections
    observer = try await PostgresConnection.connect(fixture.settings, on: fixture.thread)
  }

  func close() {
    for connection in connections + [observer] { connection.close() }
  }

  /// Runs them and answers the error of each that was refused.
  func run(_ transactions: [Transaction], in order: [Int]) async throws -> [String] {
    let gates = transactions.map { _ in Gate() }
    let running = transactions.indices.map { index in
      Task { [connection = connections[index], gate = gates[index], steps = transactions[index].steps] in
        do {
          try await connection.transaction { transaction in
            for step in steps {
              await gate.open()
              try await step(transaction)
              gate.passed()
            }
          }
          gate.end(nil)
        } catch { gate.end("\(error)") }
      }
    }
    for index in order {
      gates[index].allow()
      try await settle(gates[index], connections[index])
    }
    for task in running { await task.value }
    return zip(transactions, gates).compactMap { transaction, gate in
      gate.error.map { "\(transaction.name) was refused: \($0)" }
    }
  }

  /// Until the step is done, or waits for another transaction.
  private func settle(_ gate: Gate, _ connection: PostgresConnection) async throws {
    while !gate.isIdle {
      let waits = try await observer.query(
        "SELECT cardinality(pg_blocking_pids($1)) > 0 AS waits", [.int32(connection.backendProcessID)]
      ).oneRow().bool("waits")
      if waits { return }
      await Task.yield()
    }
  }

  /// Every order of so many steps each.
  static func orders(_ steps: [Int]) -> [[Int]] {
    guard steps.contains(where: { $0 > 0 }) else { return [[]] }
    return steps.indices.filter { steps[$0] > 0 }.flatMap { first in
      var left = steps
      left[first] -= 1
      return orders(left).map { [first] + $0 }
    }
  }
}

/// Lets a transaction's steps through one by one.
private final class Gate: Sendable {
  private struct State {
    var allowed = 0
    var begun = 0
    var done = 0
    var ended = false
    var error: String?
    var waiter: CheckedContinuation<Void, Never>?
  }
  private let state = Mutex(State())

  func allow() {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      state.allowed += 1
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  func open() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        state.begun += 1
        if state.begun <= state.allowed { return true }
        state.waiter = continuation
        return false
      }
      if isOpen { continuation.resume() }
    }
  }

  func passed() { state.withLock { $0.done += 1 } }
  func end(_ error: String?) {
    state.withLock { state in
      state.ended = true
      state.error = error
    }
  }

  /// All that was allowed has been done, the end with the last step.
  var isIdle: Bool { state.withLock { $0.ended || ($0.done >= $0.allowed && $0.waiter != nil) } }
  var error: String? { state.withLock { $0.error } }
}
