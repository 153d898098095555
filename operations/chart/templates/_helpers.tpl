{{- define "llm.selector" -}}
app.kubernetes.io/name: {{ .Release.Name }}
{{- end }}

{{- define "llm.podLabels" -}}
{{ include "llm.selector" . }}
app.kubernetes.io/component: {{ .Values.backend }}
app.kubernetes.io/part-of: llm-services
{{- end }}

{{- define "llm.labels" -}}
{{ include "llm.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Seconds that a start may take. */}}
{{- define "llm.startSeconds" -}}
{{ .Values.startSeconds | default (dig "start_timeout" 1800 .Values.settings) | ceil | int }}
{{- end }}

{{/* A setting as the text of its variable; `$(NAME)` would be a variable of the pod. */}}
{{- define "llm.variable" -}}
{{- $text := kindIs "slice" . | ternary (. | join ",") (toJson .) -}}
{{- if kindIs "string" . }}{{ $text = . }}{{ end -}}
{{ $text | replace "$" "$$" | toJson }}
{{- end }}

{{/* What the schema cannot say: values that do not fit together. */}}
{{- define "llm.check" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) }}
{{- fail (printf "the release's name %q cannot name a Service; allowed are a-z, 0-9 and -, a letter first" .Release.Name) }}
{{- end }}
{{- $gpus := int .Values.gpus }}
{{- $shards := dig "tensor_parallel_size" 1 .Values.settings | int }}
{{- if and (lt $gpus $shards) (or $gpus (gt $shards 1)) }}
{{- fail (printf "gpus %d is less than settings.tensor_parallel_size %d; set gpus to %d, or settings.tensor_parallel_size to %d" $gpus $shards $shards $gpus) }}
{{- end }}
{{- $most := int .Values.replicas }}
{{- if .Values.autoscaling.enabled }}
{{- if gt $most (int .Values.autoscaling.maxReplicas) }}
{{- fail (printf "replicas %d is more than autoscaling.maxReplicas %d" $most (int .Values.autoscaling.maxReplicas)) }}
{{- end }}
{{- $most = int .Values.autoscaling.maxReplicas }}
{{- end }}
{{- if and (gt $most 1) .Values.cache.enabled (ne .Values.cache.accessMode "ReadWriteMany") }}
{{- fail (printf "%d replicas cannot mount a cache that belongs to one node: set cache.accessMode to ReadWriteMany where the cluster has such volumes, else cache.enabled to false" $most) }}
{{- end }}
{{- if and .Values.monitoring.serviceMonitor (not (dig "metrics_public" true .Values.settings)) }}
{{- fail "settings.metrics_public false: monitoring.serviceMonitor scrapes /metrics without a key; keep it inside the cluster by a NetworkPolicy instead" }}
{{- end }}
{{- end }}
