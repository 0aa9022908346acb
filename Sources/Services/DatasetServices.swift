public import CoreMachine
public import Datasets
public import FramedRPC
public import Logging
internal import TerraneMessages

/// The RPC face of datasets: its services on one router, and the watchers that follow the change feed.
public final class DatasetServices: Sendable {
  /// Every method, ready for a server.
  public let router: RPCRouter
  let hub: StatusHub
  private let logger: Logger

  /// - Parameters:
  ///   - publicURL: the data API's URL for clients, without a trailing slash.
  ///   - epoch: of the change feed.
  public init(
    registry: DatasetRegistry, access: Access, ledger: LedgerScan, sources: SourcePolicy, health: Readiness,
    metrics: Metrics, view: ServerView, publicURL: String, epoch: UInt64, logger: Logger
  ) {
    let mapping = RecordMapping(publicURL: publicURL, epoch: epoch)
    hub = StatusHub(registry: registry, mapping: mapping)
    self.logger = logger
    router = RPCRouter([
      DatasetHandlers(registry: registry, hub: hub, access: access, mapping: mapping, policy: sources, logger: logger),
      AdminHandlers(ledger: ledger, metrics: { metrics.text }, view: view), HealthService(source: health),
      ReflectionService(services: Self.names, fileDescriptorSet: TerraneMessagesSchema.fileDescriptorSet),
    ])
    metrics.begin(router, watchers: { [hub] in hub.watcherCount }, parts: { health.parts })
  }

  /// What reflection shows.
  private static let names = [
    "terrane.v1.DatasetService", "terrane.v1.AdminService", "grpc.health.v1.Health", "framedrpc.v1.ReflectionService",
  ]

  /// Hands the change feed to those who watch, until the task is cancelled.
  public func follow(_ feed: ChangeFeed) async { await hub.follow(feed) }
}
