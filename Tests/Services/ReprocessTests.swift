import Credentials
import Datasets
import DatasetsTesting
import Foundation
import FramedMessages
import FramedRPC
import JobTypes
import PostgreSQL
import ProtobufFacade
import TaskProtocol
import TerraneMessages
import Testing

@testable import Services

/// ReprocessDataset and what a create says of a changed source, as a client sees them.
@Suite struct ReprocessTests {
  @Test func whatIsServedStaysWhileAnUpdateRunsAndAfterItFailed() async throws {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    let name = try World.name()
    let created = try #require(try await client.createDataset(World.create(name)).dataset)
    try await world.driver.publish(try await world.record(created))
    let ready = try await client.getDataset(GetDatasetRequest(dataset: .name(name)))

    let begun = try await client.reprocessDataset(ReprocessDatasetRequest(dataset: .name(name)))
    #expect(begun.status == .updating)
    #expect(begun.state == .published)
    #expect(begun.operation?.kind == .update)
    #expect(begun.result == ready.result)
    let refused = await refusal(.failedPrecondition) {
      try await client.reprocessDataset(ReprocessDatasetRequest(dataset: .name(name)))
    }
    #expect(refused?.problem?.reason == "ILLEGAL_MOVE")
    #expect(refused?.problem?.details["legal_moves"] == "cancel, delete")

    try await world.driver.start(try await world.record(created))
    try await world.driver.fail(try await world.record(created), "SOURCE_NOT_FOUND")
    let after = try await client.getDataset(GetDatasetRequest(dataset: .name(name)))
    #expect(after.status == .ready)
    #expect(after.problem == nil, "of what is served nothing is wrong")
    #expect(after.lastOperation?.state == .failed)
    #expect(after.lastOperation?.problem?.reason == "SOURCE_NOT_FOUND")
    #expect(after.result == ready.result)
  }

  @Test func readersMayNot() async throws {
    let world = try await World.shared()
    let name = try World.name()
    let editor = try await world.client(.editor)
    let created = try #require(try await editor.createDataset(World.create(name)).dataset)
    try await world.driver.publish(try await world.record(created))
    let reader = try await world.client(.reader)
    _ = await refusal(.permissionDenied) {
      try await reader.reprocessDataset(ReprocessDatasetRequest(dataset: .name(name)))
    }
    let stranger = try await world.client(.editor, namespaces: ["elsewhere"])
    let hidden = await refusal(.permissionDenied) {
      try await stranger.reprocessDataset(ReprocessDatasetRequest(dataset: .name(name)))
    }
    #expect(hidden?.problem?.reason == "PERMISSION_DENIED")
    let byKey = await refusal(.notFound) {
      try await stranger.reprocessDataset(ReprocessDatasetRequest(dataset: .key(created)))
    }
    #expect(byKey?.problem?.reason == "DATASET_NOT_FOUND")
    #expect(try await editor.getDataset(GetDatasetRequest(dataset: .name(name))).status == .ready)
  }

  @Test func anEqualCreateSaysThatTheSourceIsNotWhatItWas() async throws {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    let file = URL(fileURLWithPath: "/data/never-there-\(UUID().uuidString).gpkg")
    let request = World.create(try World.name(), url: file.absoluteString)
    let created = try await client.createDataset(request)
    #expect(created.notices.isEmpty)
    let record = try await world.record(try #require(created.dataset))
    try await world.driver.publish(record)
    // What was made up pinned nothing: nothing can be said of it.
    #expect(try await client.createDataset(request).notices.isEmpty)
    let pin = SourcePin(size: 1, mtimeNs: 2, parts: [SourcePart(name: file.lastPathComponent, size: 1, mtimeNs: 2)])
    try await world.datasets.administrator.query(
      "UPDATE coremachine.jobs SET results = ARRAY[$2::json] WHERE operation_id = $1 AND step = 1",
      [.int64(try #require(record.operation?.id)), .json(try JSONText.encode(MadeUp.probe(pin: pin)))])
    let again = try await client.createDataset(request)
    #expect(!again.created)
    #expect(again.notices.map(\.reason) == ["SOURCE_CHANGED_SINCE"])
    #expect(again.notices.first?.message.contains("gone") == true)
    #expect(again.notices.first?.remedy.isEmpty == false)
    #expect(again.dataset?.status == .ready)
  }
}
