import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite(.timeLimit(.minutes(1))) struct ListenTests {
  @Test func `A notification arrives, and again after the session was lost`() async throws {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let sender = try await PostgresConnection.connect(settings, on: cluster.thread)
    let listener = NotificationListener(settings.named("the listener"), thread: cluster.thread)
    var stream = listener.subscribe(to: "Odd \"name\"").makeAsyncIterator()
    #expect(await stream.next() == .reconnected)
    try await sender.query("SELECT pg_notify('Odd \"name\"', 'one')")
    #expect(await stream.next() == .message(payload: "one", processID: sender.backendProcessID))

    try await sender.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'the listener'")
    #expect(await stream.next() == .reconnected)
    try await sender.query("SELECT pg_notify('Odd \"name\"', 'two')")
    #expect(await stream.next() == .message(payload: "two", processID: sender.backendProcessID))

    // A channel joined while the session is open.
    var late = listener.subscribe(to: "late").makeAsyncIterator()
    #expect(await late.next() == .reconnected)
    try await sender.query("SELECT pg_notify('late', '')")
    #expect(await late.next() == .message(payload: "", processID: sender.backendProcessID))
    listener.close()
    #expect(await stream.next() == nil)
    #expect(await late.next() == nil)
  }
}
