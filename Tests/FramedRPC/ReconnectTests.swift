import FramedCore
import FramedMessages
import FramedRPC
import Logging
import Testing

@Suite("A server that goes, and one that takes its place", .serialized) struct ReconnectTests {
  /// One value for whoever watches.
  private struct Service: RPCService {
    let topic = LatestTopic<Header>()
    let streams = Watched<[LatestStream<Header>]>([])
    let resumedAt = Watched<[UInt64]>([])

    func register(with router: inout RPCRouter) {
      router.latest(EchoMethods.watch, Header.self, Header.self) { _, context, stream in
        stream.begin(epoch: 1)
        if let resume = context.resume { resumedAt.update { $0.append(resume.afterSeq) } }
        streams.update { $0.append(stream) }
        topic.add(stream)
      }
    }
  }

  private func server(_ service: Service, port: Int) throws -> RPCServer {
    let configuration = ServerConfiguration(port: port, tls: try TestCredentials.shared.get().server)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try RPCServer(
      configuration: configuration, router: RPCRouter([service]), authorizer: AllowAll(), logger: logger)
  }

  @Test(
    "five thousand watchers of a server that drains or dies go on at the next one: values in order, the last reaches all",
    arguments: [true, false])
  func watchersGoOn(drains: Bool) async throws {
    let watchers = 5_000
    let first = Service(), second = Service()
    let old = try server(first, port: 0)
    let address = try await old.start()
    let next = try server(second, port: address.port)
    let configuration = ClientConfiguration(
      host: address.host, port: address.port, tls: try TestCredentials.shared.get().client)
    let channels = (0..<20).map { _ in RPCChannel(configuration) }
    let tasks = (0..<watchers).map { index in
      Task {
        let watch: WatchStream<Header> = channels[index % channels.count].stream(EchoMethods.watch, Header())
        var seqs: [UInt64] = []
        for try await event in watch { if event.message != nil { seqs.append(event.seq) } }
        return seqs
      }
    }
    _ = try await first.streams.wait(within: .seconds(60)) { $0.count == watchers }
    let publisher = Task {
      var seq: UInt64 = 0
      while !Task.isCancelled {
        seq += 1
        for service in [first, second] {
          service.topic.publish(key: "k", seq: seq, message: EncodedMessage(Header(key: "k", value: [1])))
        }
        try? await Task.sleep(for: .milliseconds(20))
      }
      return seq
    }
    try await Task.sleep(for: .milliseconds(200))
    async let drained: Void = drains ? old.drain(grace: .seconds(4)) : old.shutdown()
    // Nobody listens for a moment: clients that come back at once have to try again.
    try await Task.sleep(for: .milliseconds(300))
    _ = try await next.start()
    await drained
    #expect(old.connectionCount == 0)
    let streams = try await second.streams.wait(within: .seconds(60)) { $0.count == watchers }
    publisher.cancel()
    let last = await publisher.value
    for stream in streams { second.topic.finish(stream) }
    var whole = 0
    for task in tasks {
      let seqs = try await task.value
      #expect(zip(seqs, seqs.dropFirst()).allSatisfy { $0 < $1 })
      if seqs.last == last { whole += 1 }
    }
    #expect(whole == watchers)
    // Nobody began anew.
    #expect(second.resumedAt.current.count == watchers && second.resumedAt.current.allSatisfy { $0 > 0 })
    for channel in channels { await channel.close() }
    await next.shutdown()
    if drains { await old.shutdown() }
  }
}
