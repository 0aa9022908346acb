internal import FramedRPC
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A port of plain HTTP on loopback with one page, /metrics, for Prometheus.
struct MetricsPort: Sendable {
  /// HOST:PORT, as it was taken.
  let address: String
  private let channel: any Channel
  private let group: MultiThreadedEventLoopGroup

  /// Listens; throws `StartError` where that fails.
  init(host: String, port: Int, _ text: @escaping @Sendable () -> String) async throws {
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    do {
      channel = try await ServerBootstrap(group: group)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
            try channel.pipeline.syncOperations.addHandler(Page(text))
          }
        }
        .bind(host: host, port: port).get()
    } catch {
      try? await group.shutdownGracefully()
      throw StartError("--metrics \(host):\(port): \(error)")
    }
    address = "\(host):\(channel.localAddress?.port ?? port)"
  }

  func close() async {
    try? await channel.close()
    try? await group.shutdownGracefully()
  }

  /// Answers one request and closes: whoever asks once in a while needs no more.
  ///
  /// Unchecked: NIO calls handlers on their channel's loop only.
  private final class Page: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let text: @Sendable () -> String
    private var head: HTTPRequestHead?

    init(_ text: @escaping @Sendable () -> String) { self.text = text }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head): self.head = head
      case .body: break
      case .end: answer(context)
      }
    }

    private func answer(_ context: ChannelHandlerContext) {
      guard let head else { return }
      let path = head.uri.split(separator: "?", maxSplits: 1).first ?? ""
      let status: HTTPResponseStatus
      var body = ""
      switch (path, head.method) {
      case ("/metrics", .GET), ("/metrics", .HEAD):
        status = .ok
        body = text()
      case ("/metrics", _): status = .methodNotAllowed
      default: status = .notFound
      }
      var headers = HTTPHeaders([("connection", "close"), ("content-length", "\(body.utf8.count)")])
      if status == .ok { headers.add(name: "content-type", value: OpenMetricsText.contentType) }
      if status == .methodNotAllowed { headers.add(name: "allow", value: "GET, HEAD") }
      context.write(
        wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
      if head.method != .HEAD {
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
      }
      let channel = context.channel
      context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}
