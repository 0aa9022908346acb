internal import Datasets
internal import FramedMessages
public import FramedRPC
internal import Logging
internal import ProtobufFacade
public import TerraneMessages

/// terrane.v1.DatasetService: messages in, domain calls, messages out.
public struct DatasetHandlers: DatasetServiceServer {
  let registry: DatasetRegistry
  let hub: StatusHub
  let access: Access
  let mapping: RecordMapping
  let policy: SourcePolicy
  let logger: Logger

  public func createDataset(_ request: CreateDatasetRequest, context: ServerCallContext) async throws
    -> CreateDatasetResponse
  {
    try await answering(context) {
      let identity = try DatasetIdentity(request.name)
      try access.check(context.principal, namespace: identity.namespace)
      let spec = try DatasetSpec(request.spec)
      for url in spec.sourceURLs { try policy.check(url, field: spec.sourceField) }
      try checkMembers(of: spec, context)
      let (record, created) = try await registry.create(identity, spec, caller(context, request))
      let notices = created || !record.state.isServed ? [] : try await notices(about: record)
      return CreateDatasetResponse(dataset: dataset(record), created: created, notices: notices)
    }
  }

  public func getDataset(_ request: GetDatasetRequest, context: ServerCallContext) async throws -> Dataset {
    // min_seq needs no wait: every server reads the one primary, so what was written before is in this answer.
    try await answering(context) {
      dataset(try await visible(request.dataset, context, showDeleted: request.showDeleted))
    }
  }

  /// Most bytes of places in one answer: they and the rest of it fit into a message.
  private static let placeBytes = 3 << 20

  public func getLog(_ request: GetLogRequest, context: ServerCallContext) async throws -> GetLogResponse {
    try await answering(context) {
      let record = try await visible(request.dataset, context)
      let entries = try await registry.log(of: record, reason: request.reason.isEmpty ? nil : request.reason)
      var room = Self.placeBytes
      return GetLogResponse(
        entries: entries.map { entry in
          let places = entry.places.map { LogPlace(layer: $0.layer ?? "", feature: $0.feature, detail: $0.detail) }
            .prefix { place in
              room -= place.layer.utf8.count + place.detail.utf8.count + 24
              return room >= 0
            }
          return LogEntry(
            reason: entry.reason, count: entry.count, message: WarningText.of(entry.reason), step: entry.step,
            places: Array(places))
        })
    }
  }

  /// A record may be half a megabyte: as many files or datasets as one is made of are in it.
  private static let rowsAtOnce = 100
  /// Bytes of records after which a page ends, also where more were asked for; well below the smallest message a client may allow.
  private static let pageBytes = 512 << 10

  public func listDatasets(_ request: ListDatasetsRequest, context: ServerCallContext) async throws
    -> ListDatasetsResponse
  {
    try await answering(context) {
      if !request.namespace.isEmpty { try access.check(context.principal, namespace: request.namespace) }
      guard request.pageSize >= 0 else {
        throw Datasets.Problem(.invalidArgument, "page_size is negative", field: "page_size")
      }
      let size = request.pageSize == 0 ? 100 : min(Int(request.pageSize), 1_000)
      let statuses = Set(request.statuses.map(\.rawValue))
      var token = try PageToken(request, principal: context.principal.uri)
      var found: [Dataset] = []
      var (bytes, looked) = (0, 0)
      var (isFull, isEnd) = (false, false)
      // Status is a view over two tables: rows are read until enough match, at most ten times as many at a call.
      while !isFull, !isEnd, found.count < size, looked < 10 * size {
        let limit = min(size, Self.rowsAtOnce)
        let rows = try await registry.list(
          ListPage(
            before: token.before, limit: limit, namespace: request.namespace, datasetID: request.datasetID,
            showDeleted: request.showDeleted || statuses.contains(Status.deleted.rawValue),
            namespaces: access.namespaces(of: context.principal)))
        (isEnd, looked) = (rows.count < limit, looked + rows.count)
        for record in rows {
          if statuses.isEmpty || statuses.contains(Status(record.status).rawValue) {
            let dataset = dataset(record)
            bytes += dataset.protobufBytes().count
            isFull = found.count == size || !found.isEmpty && bytes > Self.pageBytes
            if isFull { break }
            found.append(dataset)
          }
          token.before = record.pk
        }
      }
      return ListDatasetsResponse(datasets: found, nextPageToken: isEnd && !isFull ? "" : token.text)
    }
  }

  public func watchStatus(
    _ request: WatchStatusRequest, context: ServerCallContext, stream: LatestStream<DatasetStatus>
  ) async throws {
    try await answering(context) {
      let record = try await visible(request.dataset, context)
      try await hub.watch(record, follow: request.follow, resume: context.resume, on: stream)
    }
  }

  public func cancelDataset(_ request: CancelDatasetRequest, context: ServerCallContext) async throws -> Dataset {
    try await move(request.dataset, context) {
      try await registry.cancel($0, caller(context, request))
    }
  }

  public func retryDataset(_ request: RetryDatasetRequest, context: ServerCallContext) async throws -> Dataset {
    try await answering(context) {
      let before = try await visible(request.dataset, context)
      try checkMembers(of: before.spec, context)
      return dataset(try await registry.retry(before.key, caller(context, request)))
    }
  }

  public func reprocessDataset(_ request: ReprocessDatasetRequest, context: ServerCallContext) async throws -> Dataset {
    try await answering(context) {
      let before = try await visible(request.dataset, context)
      // The roots, and what the caller may use, may be others than when it was created.
      for url in before.spec.sourceURLs { try policy.check(url, field: before.spec.sourceField) }
      try checkMembers(of: before.spec, context)
      return dataset(try await registry.reprocess(before.key, caller(context, request)))
    }
  }

  public func deleteDataset(_ request: DeleteDatasetRequest, context: ServerCallContext) async throws
    -> DeleteDatasetResponse
  {
    try await answering(context) {
      let before = try await visible(request.dataset, context)
      let artifacts = try await registry.artifacts(of: before).map {
        Artifact(kind: $0.kind, identifier: $0.identifier, bytes: $0.bytes)
      }
      let caller = caller(context, request)
      let dependents = try await registry.dependents(of: before).filter { caller.sees($0.namespace) }.map {
        DatasetName($0)
      }
      if request.validateOnly {
        return DeleteDatasetResponse(dataset: dataset(before), artifacts: artifacts, dependents: dependents)
      }
      let record = try await registry.delete(before.key, force: request.force, caller)
      return DeleteDatasetResponse(dataset: dataset(record), artifacts: artifacts, dependents: dependents)
    }
  }

  public func undeleteDataset(_ request: UndeleteDatasetRequest, context: ServerCallContext) async throws -> Dataset {
    try await move(request.dataset, context) {
      try await registry.undelete($0, caller(context, request))
    }
  }

  public func purgeDataset(_ request: PurgeDatasetRequest, context: ServerCallContext) async throws -> Dataset {
    try await move(request.dataset, context, showDeleted: true) {
      try await registry.purge($0, caller(context, request))
    }
  }

  // MARK: What handlers are made of

  /// A mosaic is made of what its caller may work with.
  private func checkMembers(of spec: Datasets.DatasetSpec, _ context: ServerCallContext) throws {
    for member in spec.raster?.members ?? [] { try access.check(context.principal, namespace: member.namespace) }
  }

  /// The dataset a reference means, where the caller may work in its namespace. By key, a dataset of another namespace is
  /// not there: anybody can compute a key, and the answer would tell whether there is such a dataset.
  private func visible(_ reference: DatasetRef?, _ context: ServerCallContext, showDeleted: Bool = false) async throws
    -> DatasetRecord
  {
    if case .name(let name)? = reference?.by {
      try access.check(context.principal, namespace: try DatasetIdentity(name).namespace)
    }
    let key = try DatasetKey(reference)
    let record = try await registry.get(key, showDeleted: showDeleted)
    do { try access.check(context.principal, namespace: record.identity.namespace) } catch {
      throw Datasets.Problem(
        .datasetNotFound, "there is no dataset with key \(key)", details: ["dataset_key": "\(key)"])
    }
    return record
  }

  private func move(
    _ reference: DatasetRef?, _ context: ServerCallContext, showDeleted: Bool = false,
    _ body: (DatasetKey) async throws -> DatasetRecord
  ) async throws -> Dataset {
    try await answering(context) {
      let before = try await visible(reference, context, showDeleted: showDeleted)
      return dataset(try await body(before.key))
    }
  }

  /// What whoever asks again for a dataset that is served has to know.
  private func notices(about record: DatasetRecord) async throws -> [Notice] {
    let reprocess = "Build it anew of the source as it is now: `terrane reprocess \(record.identity.reference)`."
    switch try await registry.sourceState(of: record) {
    case .unchanged, .unknown: return []
    case .changed where record.spec.type == .mosaic:
      return [
        Notice(
          reason: "SOURCE_CHANGED_SINCE", message: "datasets it is made of have been built anew since",
          remedy: reprocess)
      ]
    case .missing where record.spec.type == .mosaic:
      return [
        Notice(
          reason: "SOURCE_CHANGED_SINCE", message: "datasets it is made of have been deleted since; it is served on",
          remedy: "Nothing needs doing. To make it anew, bring them back first.")
      ]
    case .changed:
      return [
        Notice(
          reason: "SOURCE_CHANGED_SINCE", message: "the source has changed since the dataset was made of it",
          remedy: reprocess)
      ]
    case .missing:
      return [
        Notice(
          reason: "SOURCE_CHANGED_SINCE", message: "the source the dataset was made of is gone; it is served on",
          remedy: "Nothing needs doing. To make it anew, put the source back first.")
      ]
    }
  }

  private func dataset(_ record: DatasetRecord) -> Dataset { mapping.dataset(record, now: Clock.microseconds()) }

  /// The request id's hash is over the canonical encoding, so that two encodings of one request are one request.
  private func caller(_ context: ServerCallContext, _ request: some ProtobufMessage) -> Caller {
    Caller(
      principal: context.principal.uri, requestID: context.requestID,
      bodyHash: SHA256Digest.of(request.protobufBytes()), namespaces: access.namespaces(of: context.principal))
  }

  /// Turns whatever is thrown into an error the caller may see, and logs what is our own fault.
  private func answering<T>(_ context: ServerCallContext, _ body: () async throws -> T) async throws -> T {
    do { return try await body() } catch {
      let answer = RPCError(anything: error)
      if let problem = error as? Datasets.Problem, !MethodReasons.allow(problem.reason, context.method) {
        logger.error(
          "a reason that the schema does not name",
          metadata: ["method": "\(context.method.name)", "reason": "\(problem.reason.name)"])
      }
      if answer.code == .internal {
        logger.error(
          "a call failed",
          metadata: ["method": "\(context.method.name)", "principal": "\(context.principal.uri)", "error": "\(error)"])
      }
      throw answer
    }
  }
}
