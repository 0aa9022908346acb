import CoreMachine
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

@Suite struct ListTests {
  /// Seven datasets in a namespace of their own.
  private func seven() async throws -> (DatasetServiceClient, String, [Dataset]) {
    let world = try await World.shared()
    let namespace = "list-" + UUID().uuidString.lowercased().prefix(8)
    let client = try await world.client(.editor, namespaces: [namespace])
    var made: [Dataset] = []
    for _ in 0..<7 {
      made.append(
        try #require(try await client.createDataset(World.create(try World.name(namespace: namespace))).dataset))
    }
    return (client, namespace, made)
  }

  private func pages(_ client: DatasetServiceClient, _ request: ListDatasetsRequest) async throws -> [[String]] {
    var request = request
    var pages: [[String]] = []
    repeat {
      let page = try await client.listDatasets(request)
      pages.append(page.datasets.map(\.datasetKey))
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty && pages.count < 50
    return pages
  }

  @Test func pagesHoldEveryDatasetOnceNewestFirst() async throws {
    let (client, namespace, made) = try await seven()
    let all = made.map(\.datasetKey).reversed()
    for size in [1, 3, 7, 8, 0] {
      let pages = try await pages(client, ListDatasetsRequest(namespace: namespace, pageSize: Int32(size)))
      #expect(pages.flatMap { $0 } == Array(all), "\(size)")
      if size > 0 { #expect(pages.allSatisfy { $0.count <= size }) }
    }
    _ = await refusal(.invalidArgument) { try await client.listDatasets(ListDatasetsRequest(pageSize: -1)) }
  }

  /// Records of 60 kB each: fewer to a page than asked for, none left out.
  @Test func pagesEndBeforeTheyAreTooLong() async throws {
    let namespace = "list-" + UUID().uuidString.lowercased().prefix(8)
    let client = try await World.shared().client(.editor, namespaces: [namespace])
    var made: [String] = []
    for _ in 0..<20 {
      var request = World.create(try World.name(namespace: namespace))
      request.spec?.metadata = Metadata(description: String(repeating: "x", count: 60_000))
      made.append(try #require(try await client.createDataset(request).dataset).datasetKey)
    }
    let pages = try await pages(client, ListDatasetsRequest(namespace: namespace, pageSize: 1_000))
    #expect(pages.map(\.count) == [8, 8, 4])
    #expect(pages.flatMap { $0 } == made.reversed())
    let some = try await self.pages(client, ListDatasetsRequest(namespace: namespace, pageSize: 3))
    #expect(some.map(\.count) == [3, 3, 3, 3, 3, 3, 2])
  }

  @Test func statuses() async throws {
    let (client, namespace, made) = try await seven()
    let world = try await World.shared()
    for index in [1, 4] { _ = try await client.cancelDataset(CancelDatasetRequest(dataset: .key(made[index]))) }
    try await world.driver.publish(try await world.record(made[2]))
    _ = try await client.deleteDataset(DeleteDatasetRequest(dataset: .key(made[5])))
    func keys(_ statuses: [Status], size: Int32 = 1) async throws -> [String] {
      try await pages(client, ListDatasetsRequest(namespace: namespace, pageSize: size, statuses: statuses)).flatMap {
        $0
      }
    }
    #expect(try await keys([.cancelled]) == [made[4], made[1]].map(\.datasetKey))
    #expect(try await keys([.ready, .cancelled], size: 2) == [made[4], made[2], made[1]].map(\.datasetKey))
    #expect(try await keys([.deleted]) == [made[5].datasetKey])
    #expect(try await keys([]).count == 6)
    #expect(try await keys([.failed]).isEmpty)
    let shown = try await client.listDatasets(ListDatasetsRequest(namespace: namespace, showDeleted: true))
    #expect(shown.datasets.count == 7)
    let one = try await client.listDatasets(
      ListDatasetsRequest(namespace: namespace, datasetID: try #require(made[0].name?.datasetID)))
    #expect(one.datasets.map(\.datasetKey) == [made[0].datasetKey])
  }

  @Test func tokensOfOtherListsAndMadeUpOnesAreRefused() async throws {
    let (client, namespace, _) = try await seven()
    let request = ListDatasetsRequest(namespace: namespace, pageSize: 2)
    let token = try await client.listDatasets(request).nextPageToken
    #expect(!token.isEmpty)
    func refused(_ change: (inout ListDatasetsRequest) -> Void, by caller: DatasetServiceClient? = nil) async {
      var other = request
      other.pageToken = token
      change(&other)
      let error = await refusal(.invalidArgument) { try await (caller ?? client).listDatasets(other) }
      #expect(error?.problem?.reason == "INVALID_PAGE_TOKEN")
      #expect(error?.problem?.location?.field == "page_token")
    }
    await refused { $0.namespace = "" }
    await refused { $0.statuses = [.ready] }
    await refused { $0.datasetID = "x" }
    await refused { $0.showDeleted = true }
    let stranger = try await World.shared().client(.editor, namespaces: [namespace])
    await refused({ _ in }, by: stranger)
    for wrong in [
      "x", "-", "zzzz", "1-", token + "0", "0" + token, "-" + token, String(token.dropLast()), "1" + token.dropFirst(),
    ]
    where wrong != token {
      await refused { $0.pageToken = wrong }
    }
    // Another page size goes on with the same list.
    var larger = request
    larger.pageToken = token
    larger.pageSize = 5
    #expect(try await client.listDatasets(larger).datasets.count == 5)
  }
}
