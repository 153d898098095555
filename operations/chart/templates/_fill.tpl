{{/* What fetches the model onto the volume: a pod like those that serve, without GPU and keys. */}}
{{- define "llm.jobLabels" -}}
app.kubernetes.io/name: {{ .Release.Name }}-fill-cache
app.kubernetes.io/part-of: llm-services
{{- end }}

{{- define "llm.fillSpec" -}}
{{- $root := index . 0 }}
{{- $pod := index . 1 }}
{{- $container := first $pod.containers }}
{{- range list "ports" "lifecycle" "startupProbe" "livenessProbe" "readinessProbe" }}
{{- $container = unset $container . }}
{{- end }}
{{- $env := list (dict "name" "PYTHONPATH" "value" "/home/bentoml/bento/src") }}
{{- range $container.env }}
{{- if not (has .name (list "API_KEYS" "API_KEYS_FILE")) }}
{{- $env = append $env . }}
{{- end }}
{{- end }}
{{- $resources := dict "requests" (dict "cpu" "500m" "memory" "2Gi") }}
{{- range $name, $value := dict "name" "fill-cache" "args" (list "python" "-m" "common.models") "env" $env "resources" $resources }}
{{- $_ := set $container $name $value }}
{{- end }}
{{- $_ := set $pod "containers" (list $container) }}
{{- $_ := set $pod "restartPolicy" "Never" }}
{{- if ne $root.Values.cache.accessMode "ReadWriteMany" }}
{{- $labels := dict "matchLabels" (include "llm.selector" $root | fromYaml) }}
{{- $node := dict "labelSelector" $labels "topologyKey" "kubernetes.io/hostname" }}
{{- $_ := set $pod "affinity" (dict "podAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $node))) }}
{{- end }}
{{- $pod | toYaml }}
{{- end }}
