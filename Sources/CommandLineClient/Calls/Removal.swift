internal import FramedMessages
public import TerraneMessages

/// Withdraws a dataset and purges it: two calls, of which the second may be refused. Where that can be known, the first is not made.
public struct Removal {
  /// As the user named it.
  public var name: String
  /// What the dry run says.
  public var preview: () async throws -> DeleteDatasetResponse
  public var delete: () async throws -> DeleteDatasetResponse
  /// Of the dataset with this key, waited for.
  public var purge: (_ key: String) async throws -> Dataset

  public init(
    name: String, preview: @escaping () async throws -> DeleteDatasetResponse,
    delete: @escaping () async throws -> DeleteDatasetResponse, purge: @escaping (_ key: String) async throws -> Dataset
  ) {
    self.name = name
    self.preview = preview
    self.delete = delete
    self.purge = purge
  }

  /// - Throws: `Failure`, which says whether the dataset was withdrawn.
  public func run() async throws -> DeleteDatasetResponse {
    let before = try await preview()
    // What is deleted already is refused by the purge itself, which names deleted mosaics too.
    let isDeleted = before.dataset?.state == .deleted
    guard isDeleted || before.dependents.isEmpty else { throw refusal(before.dependents) }
    var answer = isDeleted ? before : try await delete()
    do {
      answer.dataset = try await purge(answer.dataset?.datasetKey ?? before.dataset?.datasetKey ?? "")
    } catch {
      throw isDeleted ? error : halfway(Failure(error))
    }
    return answer
  }

  /// Of the mosaics that are served or being made: the dry run names those.
  private func refusal(_ dependents: [DatasetName]) -> Failure {
    let names = dependents.map { DatasetReference($0, key: "").description }
    let more = names.count > 1 ? " and \(names.count - 1) more" : ""
    var failure = Failure(
      CommandLineError(
        .badRequest, "DATASET_HAS_DEPENDENTS",
        "cannot purge \(name), which mosaics are made of: \(names[0])\(more); nothing was changed",
        remedy: """
          Purge those first: their files are this dataset's.
          --force without --purge withdraws it, and leaves them its files.
          """))
    failure.code = "FAILED_PRECONDITION"
    failure.problem.category = .state
    failure.problem.details = ["count": "\(names.count)"]
    for (number, other) in names.prefix(20).enumerated() { failure.problem.details["dataset \(number + 1)"] = other }
    return failure
  }

  /// A mosaic that is deleted and may come back, or one of a namespace that the caller may not see.
  private func halfway(_ failure: Failure) -> Failure {
    var failure = failure
    let purge = failure.status == .badRequest ? "was not purged" : "may not have been purged"
    failure.problem.message = "\(name) is deleted now, and \(purge): \(failure.problem.message)"
    let next = "`terrane undelete \(name)` brings it back; `terrane purge \(name)` asks for the purge again."
    failure.problem.remedy = [failure.problem.remedy, next].filter { !$0.isEmpty }.joined(separator: "\n")
    return failure
  }
}
