import CoreMachine
import Credentials
import Datasets
import DatasetsTesting
import FramedMessages
import FramedRPC
import JobTypes
import PostgreSQL
import ProtobufFacade
import TaskProtocol
import TerraneMessages
import Testing

@testable import Services

@Suite struct AccessTests {
  static let roles: [String: Role] = [
    "terrane.v1.DatasetService/CreateDataset": .editor,
    "terrane.v1.DatasetService/GetDataset": .reader,
    "terrane.v1.DatasetService/GetLog": .reader,
    "terrane.v1.DatasetService/ListDatasets": .reader,
    "terrane.v1.DatasetService/WatchStatus": .reader,
    "terrane.v1.DatasetService/CancelDataset": .editor,
    "terrane.v1.DatasetService/RetryDataset": .editor,
    "terrane.v1.DatasetService/ReprocessDataset": .editor,
    "terrane.v1.DatasetService/DeleteDataset": .editor,
    "terrane.v1.DatasetService/UndeleteDataset": .editor,
    "terrane.v1.DatasetService/PurgeDataset": .editor,
    "terrane.v1.AdminService/Scan": .admin,
    "terrane.v1.AdminService/GetMetrics": .admin,
    "terrane.v1.AdminService/ListConnections": .admin,
  ]

  @Test func everyMethodAsksForItsRole() async throws {
    let world = try await World.shared()
    let methods = world.services.router.descriptors.filter { $0.name.hasPrefix("terrane.") }
    #expect(Set(methods.map(\.name)) == Set(Self.roles.keys))
    for method in methods { #expect(method.role == Self.roles[method.name]?.rawValue, "\(method.name)") }
  }

  /// Calls a method with an empty request; the code it ends with.
  private func call(_ method: MethodDescriptor, _ client: RPCClient) async -> StatusCode? {
    do {
      if method.isUnary {
        _ = try await client.unary(method, Header(), Header.self)
      } else {
        for try await _ in client.stream(method, Header(), Header.self) { break }
      }
      return nil
    } catch { return error.code }
  }

  @Test func everyRoleMayCallWhatIsItsOwn() async throws {
    let world = try await World.shared()
    for role in Role.allCases {
      let client = try await world.client(role).connection
      for method in world.services.router.descriptors {
        guard let needed = Self.roles[method.name] else { continue }
        let code = await call(method, client)
        #expect((code == .permissionDenied) == (role < needed), "\(role) \(method.name): \(String(describing: code))")
      }
      await client.close()
    }
  }

  @Test func whoIsNotListedMayDoNothing() async throws {
    let world = try await World.shared()
    let client = try await world.named("gone", .admin).connection
    _ = try await DatasetServiceClient(client).listDatasets(ListDatasetsRequest(pageSize: 1))
    #expect(try world.store.revoke(name: "gone"))
    for method in world.services.router.descriptors where method.role != nil {
      #expect(await call(method, client) == .permissionDenied, "\(method.name)")
    }
    await client.close()
  }

  @Test func aRoleThatIsMissingIsNamed() async throws {
    let world = try await World.shared()
    let reader = try await world.client(.reader)
    let name = try World.name()
    let error = await refusal(.permissionDenied) { try await reader.createDataset(World.create(name)) }
    #expect(error?.problem?.reason == "PERMISSION_DENIED")
    #expect(error?.problem?.details["role"] == "editor")
    #expect(error?.problem?.category == .permission)
  }

  @Test func namespacesAreKeptApart() async throws {
    let world = try await World.shared()
    let admin = try await world.client(.admin)
    let editor = try await world.client(.editor, namespaces: ["mine"])
    let theirs = try await admin.createDataset(World.create(try World.name(namespace: "theirs"))).dataset!
    let mine = try await editor.createDataset(World.create(try World.name(namespace: "mine"))).dataset!
    let there = theirs.name!
    let absent = try World.name(namespace: "theirs")
    // Nor is a mosaic made of what one may not work with.
    _ = await refusal(.permissionDenied) {
      var request = World.create(try World.name(namespace: "mine"))
      request.spec = DatasetSpec(type: .mosaic, source: .mosaic(MosaicSource(datasets: [theirs.name!])))
      return try await editor.createDataset(request)
    }

    _ = await refusal(.permissionDenied) { try await editor.createDataset(World.create(absent)) }
    _ = await refusal(.permissionDenied) { try await editor.createDataset(World.create(try World.name())) }
    _ = await refusal(.permissionDenied) { try await editor.listDatasets(ListDatasetsRequest(namespace: "theirs")) }
    // By name: the same answer, whether it is there or not.
    for name in [there, absent] {
      let ref = DatasetRef.name(name)
      _ = await refusal(.permissionDenied) { try await editor.getDataset(GetDatasetRequest(dataset: ref)) }
      _ = await refusal(.permissionDenied) { try await editor.cancelDataset(CancelDatasetRequest(dataset: ref)) }
      _ = await refusal(.permissionDenied) { try await editor.deleteDataset(DeleteDatasetRequest(dataset: ref)) }
    }
    // By key, which anybody can compute: it is not there.
    let ref = DatasetRef.key(theirs)
    _ = await refusal(.notFound) { try await editor.getDataset(GetDatasetRequest(dataset: ref)) }
    _ = await refusal(.notFound) { try await editor.cancelDataset(CancelDatasetRequest(dataset: ref)) }
    _ = await refusal(.notFound) { try await editor.retryDataset(RetryDatasetRequest(dataset: ref)) }
    _ = await refusal(.notFound) { try await editor.deleteDataset(DeleteDatasetRequest(dataset: ref)) }
    _ = await refusal(.notFound) { try await editor.undeleteDataset(UndeleteDatasetRequest(dataset: ref)) }
    _ = await refusal(.notFound) { try await editor.purgeDataset(PurgeDatasetRequest(dataset: ref)) }
    _ = await refusal(.notFound) {
      for try await _ in editor.watchStatus(WatchStatusRequest(dataset: ref)) {}
    }
    #expect(try await world.record(theirs).status == .requested)
    let listed = try await editor.listDatasets(ListDatasetsRequest())
    #expect(listed.datasets.map(\.datasetKey) == [mine.datasetKey])
    #expect(try await editor.getDataset(GetDatasetRequest(dataset: .key(mine))).name?.namespace == "mine")
  }
}
