import CoreMachine
import Datasets
import DatasetsTesting
import Foundation
import PostgreSQL
import TaskProtocol
import Testing

@Suite struct IdentityTests {
  @Test(arguments: ["a", "A", "0", "a.b_c-D", "Z9.", String(repeating: "x", count: 255)])
  func goodIDs(_ id: String) throws {
    let identity = try DatasetIdentity(namespace: "n", datasetID: id, resourceID: id, versionID: "1")
    #expect(identity.datasetID == id)
  }

  @Test(arguments: [
    "", ".a", "_a", "-a", "a b", "a/b", "a:b", "a@b", "ä", "a\u{0}", "a\n", "á", "a%2F", "..", "@a",
    String(repeating: "x", count: 256),
  ])
  func badIDs(_ id: String) {
    for field in ["name.dataset_id", "name.resource_id", "name.version_id"] {
      let problem = #expect(throws: Problem.self) {
        try DatasetIdentity(
          namespace: "n", datasetID: field == "name.dataset_id" ? id : "a",
          resourceID: field == "name.resource_id" ? id : "a", versionID: field == "name.version_id" ? id : "a")
      }
      #expect(problem?.reason == .invalidID)
      #expect(problem?.location.field == field)
    }
  }

  @Test func versionsAreShorter() throws {
    _ = try DatasetIdentity(
      namespace: "", datasetID: "a", resourceID: "a", versionID: String(repeating: "1", count: 50))
    #expect(throws: Problem.self) {
      try DatasetIdentity(namespace: "", datasetID: "a", resourceID: "a", versionID: String(repeating: "1", count: 51))
    }
  }

  @Test(arguments: ["latest", "stable"]) func aliasesAreReserved(_ version: String) throws {
    let problem = #expect(throws: Problem.self) {
      try DatasetIdentity(namespace: "", datasetID: "a", resourceID: "a", versionID: version)
    }
    #expect(problem?.reason == .reservedVersion)
    // Only as versions, and only in this spelling.
    _ = try DatasetIdentity(namespace: "", datasetID: version, resourceID: version, versionID: version.uppercased())
  }

  @Test(arguments: [
    ("a", true), ("0-", true), (String(repeating: "a", count: 63), true), ("-a", false), ("A", false),
    ("a_b", false), ("a.b", false), (String(repeating: "a", count: 64), false), ("@a", false),
  ])
  func namespaces(_ namespace: String, _ isGood: Bool) throws {
    if isGood {
      let identity = try DatasetIdentity(namespace: namespace, datasetID: "d", resourceID: "r", versionID: "v")
      #expect(identity.path == "/api/data/@\(namespace)/d/r/v")
      #expect(identity.stacCollection == "\(namespace):d:r")
      #expect(identity.stacItem == "v")
    } else {
      let problem = #expect(throws: Problem.self) {
        try DatasetIdentity(namespace: namespace, datasetID: "d", resourceID: "r", versionID: "v")
      }
      #expect(problem?.reason == .invalidID)
      #expect(problem?.location.field == "name.namespace")
    }
  }

  @Test func theDefaultNamespaceIsNotInThePath() throws {
    let unnamed = try DatasetIdentity(namespace: "", datasetID: "d", resourceID: "r", versionID: "v")
    let named = try DatasetIdentity(namespace: "default", datasetID: "d", resourceID: "r", versionID: "v")
    #expect(unnamed == named)
    #expect(unnamed.path == "/api/data/d/r/v")
    #expect(DatasetKey(of: unnamed) == DatasetKey(of: named))
  }

  @Test func publishedKeyVectors() throws {
    struct Vector: Decodable {
      var namespace: String
      var dataset_id: String
      var resource_id: String
      var version_id: String
      var dataset_key: String
    }
    struct File: Decodable { var vectors: [Vector] }
    let file = TestDatasets.repository.appendingPathComponent("proto/terrane/v1/dataset_key_vectors.json")
    let vectors = try JSONDecoder().decode(File.self, from: Data(contentsOf: file)).vectors
    #expect(vectors.count == 3)
    for vector in vectors {
      let identity = try DatasetIdentity(
        namespace: vector.namespace, datasetID: vector.dataset_id, resourceID: vector.resource_id,
        versionID: vector.version_id)
      #expect("\(DatasetKey(of: identity))" == vector.dataset_key)
    }
  }

  @Test func partsAreNotRunTogether() throws {
    // Computed with Python's hashlib, as the published vectors are.
    func key(_ dataset: String, _ resource: String) throws -> String {
      "\(DatasetKey(of: try DatasetIdentity(namespace: "", datasetID: dataset, resourceID: resource, versionID: "1")))"
    }
    #expect(try key("ab", "c") == "1ac900165cfc8d8e4ca7d51cef79f5e18eff56f0fa4ffca4a43c47ec738146c3")
    #expect(try key("a", "bc") == "e2567214c120a70895916e90641ae36fad44fe6ba951a51e37a5dfeda1ba8813")
  }

  @Test func keysAsHex() throws {
    let hex = String(repeating: "aB", count: 32)
    #expect("\(try DatasetKey(hex: hex))" == hex.lowercased())
    for bad in ["", "ab", String(repeating: "g0", count: 32), String(repeating: "ab", count: 33), hex + "a"] {
      #expect(throws: Problem.self) { try DatasetKey(hex: bad) }
    }
  }
}
