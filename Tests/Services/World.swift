import Credentials
import Datasets
import DatasetsTesting
import Foundation
import FramedMessages
import FramedRPC
import JobTypes
import Logging
import PostgreSQL
import PostgreSQLTesting
import ProtobufFacade
import TaskProtocol
import TerraneMessages
import Testing

@testable import CoreMachine
@testable import Services

/// A log that nobody reads, but for what must not happen in any test.
private struct Unheard: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .warning
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }
  func log(event: LogEvent) {
    // The database goes before the process does; what it refuses is another matter.
    let refused = event.metadata?["error"].map { "\($0)".hasPrefix("PostgreSQL server") } ?? false
    if event.message == "a reason that the schema does not name" || refused {
      Issue.record("\(event.message): \(event.metadata ?? [:])")
    }
  }
}

/// A server with the real router on a loopback port, its authority, and who may call it. One for all tests of the process.
final class World: Sendable {
  let datasets: TestDatasets
  let driver: ChainDriver
  let services: DatasetServices
  let metrics = Metrics(version: "test")
  let server: RPCServer
  let address: ListeningAddress
  let store: CredentialStore
  private let root: String
  private let authority: String

  static let publicURL = "http://data.test"
  static let epoch: UInt64 = 4_711

  private static let starting = Task { try await World() }
  static func shared() async throws -> World { try await starting.value }

  private init() async throws {
    datasets = try await TestDatasets.shared()
    driver = ChainDriver(datasets)
    root = datasets.folder
    store = CredentialStore(directory: root + "/credentials")
    let certificates = try store.prepareServer()
    authority = certificates.authority
    let logger = Logger(label: "test-services") { _ in Unheard() }
    let access = Access(principals: PrincipalsFile(path: store.principalsPath, interval: .zero))
    let view = ServerView()
    services = DatasetServices(
      registry: datasets.registry, access: access,
      ledger: LedgerScan(pool: datasets.pool, scratch: root + "/scratch", files: ServedFiles(root: root + "/files")),
      sources: SourcePolicy(roots: ["/data"]),
      health: Readiness(checks: []), metrics: metrics, view: view, publicURL: Self.publicURL, epoch: Self.epoch,
      logger: logger)
    var configuration = ServerConfiguration(
      port: 0,
      tls: .server(
        certificateChainPath: certificates.certificate, privateKeyPath: certificates.key,
        authorityPath: certificates.authority))
    configuration.limits.maxStreams = 10_000
    configuration.metrics = metrics.server
    server = try RPCServer(
      configuration: configuration, router: services.router, authorizer: access, logger: logger)
    address = try await server.start()
    try await follow()
  }

  /// Hands changes to the watchers, as a running server does.
  private func follow() async throws {
    let thread = try await TestCluster.shared().thread
    let feed = ChangeFeed(
      connection: ConnectionPool(datasets.settings, size: 1, thread: thread),
      listener: NotificationListener(datasets.settings, thread: thread), poll: .seconds(1),
      logger: Logger(label: "test-services") { _ in Unheard() })
    Task { [services] in await services.follow(feed) }
  }

  /// A connection as a principal with a role; a name of its own each time.
  func client(_ role: Role, namespaces: [String] = ["*"]) async throws -> DatasetServiceClient {
    try await named("p-\(UUID().uuidString.lowercased())", role, namespaces: namespaces)
  }

  func named(_ name: String, _ role: Role, namespaces: [String] = ["*"]) async throws -> DatasetServiceClient {
    let bundle = try store.issue(name: name, role: role, namespaces: namespaces, to: "\(root)/\(name)")
    return DatasetServiceClient(try await connect(bundle))
  }

  func connect(_ bundle: CredentialStore.Bundle) async throws -> RPCClient {
    try await RPCClient.connect(
      host: "127.0.0.1", port: address.port,
      tls: .client(
        certificateChainPath: bundle.certificate, privateKeyPath: bundle.key, authorityPath: bundle.authority))
  }

  // MARK: Requests

  static func name(_ test: String = #function, namespace: String = "") throws -> DatasetName {
    let identity = try TestDatasets.identity(test, namespace: namespace)
    return DatasetName(
      namespace: namespace, datasetID: identity.datasetID, resourceID: identity.resourceID,
      versionID: identity.versionID)
  }

  static func create(_ name: DatasetName, title: String = "", url: String = "file:///data/a.gpkg")
    -> CreateDatasetRequest
  {
    CreateDatasetRequest(
      name: name,
      spec: TerraneMessages.DatasetSpec(
        type: .vector, source: .vector(VectorSource(url: url)), metadata: Metadata(title: title)))
  }

  /// Changes datasets outwardly without changing them; answers the last change's number. Not `told`: as when a transaction
  /// changes many.
  func touch(_ pks: [Int64], told: Bool) async throws -> Int64 {
    try await datasets.pool.query(
      "SELECT set_config('datasets.told', $1, true), coremachine.touch($2::bigint[]) AS n",
      [.text(told ? "0" : "1000"), .int64Array(pks.map(Optional.init))]
    ).oneRow().int64("n")
  }

  func record(_ dataset: Dataset) async throws -> DatasetRecord {
    try await datasets.registry.get(try DatasetKey(hex: dataset.datasetKey), showDeleted: true)
  }
}

extension DatasetRef {
  static func key(_ dataset: Dataset) -> DatasetRef { DatasetRef(by: .datasetKey(dataset.datasetKey)) }
  static func name(_ name: DatasetName) -> DatasetRef { DatasetRef(by: .name(name)) }
}

/// The error a call ends with; records an issue where it does not end with that code.
func refusal<T>(
  _ code: StatusCode, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> T
) async -> RPCError? {
  do {
    _ = try await body()
    Issue.record("expected \(code), nothing was thrown", sourceLocation: sourceLocation)
  } catch let error as RPCError {
    #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    return error
  } catch { Issue.record("expected \(code), got \(error)", sourceLocation: sourceLocation) }
  return nil
}

extension RPCError {
  /// The problem among the details.
  var problem: TerraneMessages.Problem? {
    details.first { $0.typeURL == "type.googleapis.com/terrane.v1.Problem" }
      .flatMap { try? TerraneMessages.Problem(protobuf: $0.value) }
  }
}

extension DatasetServiceClient {
  /// The tests call over one connection.
  var connection: RPCClient { caller as! RPCClient }
}
